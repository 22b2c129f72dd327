INSERT INTO {schema}.ignored_advice (recommendation_id, reason, until, actor)
VALUES (%(id)s, %(reason)s, %(until)s, %(actor)s)
ON CONFLICT (recommendation_id)
DO UPDATE SET reason = EXCLUDED.reason, until = EXCLUDED.until, actor = EXCLUDED.actor, created_at = now()
