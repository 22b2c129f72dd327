SELECT max(created_at)
FROM {schema}.{part}
WHERE created_at < %(end)s
