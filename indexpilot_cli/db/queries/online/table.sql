SELECT c.oid::int8 AS relid,
       c.relkind::text AS kind,
       c.relpersistence::text AS persistence,
       c.relispartition AS is_partition,
       EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhparent, h.inhrelid)) AS inherits,
       c.reloftype <> 0 AS typed,
       c.relhasrules AS has_rules,
       c.relreplident::text AS replica_identity,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       c.relrowsecurity AND c.relforcerowsecurity
           AND NOT (SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
           AS rows_hidden,
       (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) AS superuser,
       pg_catalog.pg_table_size(c.oid) AS bytes,
       greatest(c.reltuples, 0)::float8 AS rows,
       ARRAY(SELECT p.pubname::text FROM pg_catalog.pg_publication_tables p
             WHERE p.schemaname = n.nspname AND p.tablename = c.relname ORDER BY p.pubname) AS publications,
       pg_catalog.current_setting('search_path') AS search_path,
       ARRAY(SELECT pg_catalog.quote_ident(s) FROM unnest(pg_catalog.current_schemas(false)) AS s) AS schemas
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = %(relid)s::oid
