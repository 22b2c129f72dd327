SELECT count(*) AS rows, max(id) AS last
FROM {schema}.{part}
WHERE created_at < %(cutoff)s
