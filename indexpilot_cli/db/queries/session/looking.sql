-- Neither are our questions part of the workload, nor is what we look at a use of an index: planning reads the ends of
-- an index for a condition beyond its histogram, and each such look counts as a scan of it.
SELECT pg_catalog.set_config('track_counts', 'off', false) AS counts,
       CASE WHEN current_setting('pg_stat_statements.track', true) IS NOT NULL
            THEN pg_catalog.set_config('pg_stat_statements.track', 'none', false) END AS track
WHERE current_setting('is_superuser')::bool
