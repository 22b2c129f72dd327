UPDATE {schema}.lifecycle_runs r
SET state = %(state)s, finished_at = clock_timestamp(), plan_id = %(plan)s, error = %(error)s, details_json = %(details)s
WHERE r.id = %(id)s AND r.state = 'RUNNING'
RETURNING r.finished_at
