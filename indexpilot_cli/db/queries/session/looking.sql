-- Neither are our questions part of the workload, nor is what we look at a use of an index: planning reads the ends of
-- an index for a condition beyond its histogram, and each such look counts as a scan of it.
SELECT pg_catalog.set_config(s.name, CASE s.name WHEN 'track_counts' THEN 'off' ELSE 'none' END, false) AS looking
FROM pg_catalog.pg_settings s
WHERE s.name IN ('pg_stat_statements.track', 'track_counts')
  AND (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
