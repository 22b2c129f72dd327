SELECT c.oid::int8 AS oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       c.relpersistence::text AS persistence,
       CASE WHEN c.relkind IN ('r', 'm')
            THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) / current_setting('block_size')::int
            ELSE greatest(c.relpages, 0) END AS pages,
       c.relpages AS analyzed_pages,
       c.reltuples::float8 AS tuples,
       c.relallvisible AS all_visible_pages,
       c.relispartition AS is_partition,
       parent_namespace.nspname::text AS parent_schema,
       parent.relname::text AS parent_name,
       CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
       c.reloptions::text[] AS options,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable,
       pg_catalog.pg_stat_get_tuples_inserted(c.oid) AS inserts,
       pg_catalog.pg_stat_get_tuples_updated(c.oid) AS updates,
       pg_catalog.pg_stat_get_tuples_hot_updated(c.oid) AS hot_updates,
       pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS deletes,
       pg_catalog.pg_stat_get_numscans(c.oid) AS seq_scans,
       pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS modified_since_analyze,
       greatest(pg_catalog.pg_stat_get_last_analyze_time(c.oid),
                pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) AS last_analyze
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno LIMIT 1
) inheritance ON true
LEFT JOIN pg_catalog.pg_class parent ON parent.oid = inheritance.inhparent
LEFT JOIN pg_catalog.pg_namespace parent_namespace ON parent_namespace.oid = parent.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f')
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', %(metadata_schema)s)
  AND (cardinality(%(schemas)s::text[]) = 0 OR n.nspname = ANY (%(schemas)s::text[]))
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
  )
ORDER BY n.nspname, c.relname
