SELECT c.oid::int8 AS relid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       CASE WHEN c.relkind = 'p'
            THEN (SELECT coalesce(sum(pg_catalog.pg_table_size(p.relid)), 0)::int8
                  FROM pg_catalog.pg_partition_tree(c.oid) p WHERE p.isleaf)
            ELSE coalesce(pg_catalog.pg_table_size(c.oid), 0) END AS bytes,
       (SELECT count(*) FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indislive) AS indexes,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = c.relowner) AS superuser_owns,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS may_create,
       CASE WHEN c.relfrozenxid = '0' THEN 0 ELSE age(c.relfrozenxid) END AS xid_age
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY (%(relids)s::oid[])
ORDER BY n.nspname, c.relname
