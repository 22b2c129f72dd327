SELECT recommendation_id, reason, until, actor, created_at
FROM {schema}.ignored_advice
WHERE %(expired)s OR until IS NULL OR until > now()
ORDER BY created_at DESC, recommendation_id
