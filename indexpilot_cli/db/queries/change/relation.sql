SELECT c.oid::int8 AS relid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       c.relpersistence::text AS persistence,
       c.relispartition AS is_partition,
       c.reloftype <> 0 AS typed,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       n.nspname ~ '^pg_' OR n.nspname = 'information_schema' OR n.nspname = %(own)s AS is_system,
       (SELECT coalesce(sum(pg_catalog.pg_table_size(t.relid)), 0)::int8
        FROM (SELECT c.oid AS relid WHERE c.relkind = 'r'
              UNION ALL
              SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p WHERE c.relkind = 'p' AND p.isleaf) t) AS bytes,
       (SELECT sum(greatest(l.reltuples, 0))::float8
        FROM pg_catalog.pg_class l
        WHERE l.oid = c.oid AND c.relkind = 'r'
           OR c.relkind = 'p' AND l.oid IN (
               SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p WHERE p.isleaf)) AS rows,
       (SELECT array_agg(pn.nspname || '.' || p.relname ORDER BY h.inhseqno)
        FROM pg_catalog.pg_inherits h
        JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
        JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
        WHERE h.inhrelid = c.oid)::text[] AS parents,
       (SELECT array_agg(cn.nspname || '.' || k.relname ORDER BY cn.nspname, k.relname)
        FROM pg_catalog.pg_inherits h
        JOIN pg_catalog.pg_class k ON k.oid = h.inhrelid
        JOIN pg_catalog.pg_namespace cn ON cn.oid = k.relnamespace
        WHERE h.inhparent = c.oid)::text[] AS children
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relname = %(name)s
  AND (%(schema)s::text IS NULL OR n.nspname = %(schema)s)
ORDER BY n.nspname ~ '^pg_' OR n.nspname = 'information_schema' OR n.nspname = %(own)s,
         n.nspname = ANY (pg_catalog.current_schemas(true)) DESC,
         array_position(pg_catalog.current_schemas(true), n.nspname),
         n.nspname
