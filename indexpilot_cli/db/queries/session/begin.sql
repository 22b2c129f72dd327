-- Who answers, and what holds for the session, in one round trip: set_config() takes parameters where SET takes none.
-- On a backend that a pooler has lent (another process than the one we connected to) it ends with this statement: what
-- stayed would be the settings of whoever is lent it next, who could then write nothing.
-- What only looks is no part of the workload where the role may say so, nor is it a use of an index: planning reads the
-- ends of an index for a condition beyond its histogram, and each such look counts as a scan of it.
SELECT pg_catalog.pg_backend_pid() AS pid,
       (SELECT count(pg_catalog.set_config(s.name, s.value, here.lent))
        FROM unnest(%(names)s::text[], %(values)s::text[]) AS s (name, value)) AS settings,
       CASE WHEN here.unseen THEN pg_catalog.set_config('track_counts', 'off', here.lent) END AS counts,
       CASE WHEN here.unseen AND current_setting('pg_stat_statements.track', true) IS NOT NULL
            THEN pg_catalog.set_config('pg_stat_statements.track', 'none', here.lent) END AS track
FROM (SELECT %(looks)s::bool AND current_setting('is_superuser')::bool AS unseen,
             pg_catalog.pg_backend_pid() <> %(own)s::int AS lent) AS here
