SELECT n.nspname AS schema_name, c.relname AS table_name, a.attname AS field_name, a.atttypid::bigint AS type,
       format_type(a.atttypid, a.atttypmod) AS sql, a.attndims AS dimensions,
       coalesce(a.attnotnull AND c.relkind <> 'm', false) AS required
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", a.attnum
