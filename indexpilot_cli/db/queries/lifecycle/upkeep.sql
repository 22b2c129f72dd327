SELECT c.oid::int8 AS oid,
       greatest(CASE WHEN c.relfrozenxid = '0' THEN 0 ELSE age(c.relfrozenxid) END,
                CASE WHEN t.relfrozenxid <> '0' THEN age(t.relfrozenxid) ELSE 0 END) AS xid_age,
       CASE WHEN c.relminmxid = '0' THEN 0 ELSE mxid_age(c.relminmxid) END AS multixact_age,
       c.relispopulated AS populated,
       pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
       greatest(pg_catalog.pg_stat_get_last_vacuum_time(c.oid),
                pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)) AS last_vacuum
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
WHERE c.oid = ANY (%(oids)s::oid[]) AND c.relkind IN ('r', 'm')
