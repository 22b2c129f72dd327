UPDATE {schema}.ab_experiments e
SET state = %(state)s, status = %(status)s, winner = %(winner)s,
    ended_at = CASE WHEN %(status)s <> 'running' THEN coalesce(e.ended_at, now()) END
WHERE e.id = %(id)s AND e.state = %(before)s
RETURNING e.id
