SELECT (SELECT pg_catalog.array_agg(run.key)
        FROM (SELECT {key} AS key FROM ONLY {table} WHERE {column} >= {start}::{type}
              ORDER BY {column} LIMIT {keys}) AS run) AS keys
