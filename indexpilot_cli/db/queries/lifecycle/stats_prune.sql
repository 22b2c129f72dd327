WITH gone AS (
    DELETE FROM {schema}.{part}
    WHERE id IN (
        SELECT id FROM {schema}.{part}
        WHERE id > %(after)s AND id <= %(last)s AND created_at < %(cutoff)s
        ORDER BY id
        LIMIT %(most)s
    )
    RETURNING id
)
SELECT count(*) AS rows, max(id) AS last FROM gone
