SELECT coalesce(p.phase, '') AS phase,
       CASE WHEN p.blocks_total > 0 THEN p.blocks_done::float8 / p.blocks_total
            WHEN p.tuples_total > 0 THEN p.tuples_done::float8 / p.tuples_total
            WHEN p.lockers_total > 0 THEN p.lockers_done::float8 / p.lockers_total END AS share,
       nullif(p.index_relid, 0)::int8 AS index_oid,
       EXISTS (SELECT FROM pg_catalog.pg_locks l
               WHERE l.pid = %(pid)s AND NOT l.granted AND l.locktype = 'relation') AS waits_for_table
FROM (SELECT %(pid)s::int AS pid) AS ours
LEFT JOIN pg_catalog.pg_stat_progress_create_index p ON p.pid = ours.pid
