SELECT o.conname::text AS name,
       n.nspname::text AS schema,
       c.relname::text AS table_name,
       pg_catalog.pg_get_constraintdef(o.oid) AS definition
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE o.contype = 'f'
  AND o.confrelid = %(relid)s::oid
  AND o.conparentid = 0
  AND (SELECT a.attnum FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = o.confrelid AND a.attname = %(column)s AND NOT a.attisdropped) = ANY (o.confkey)
ORDER BY n.nspname, c.relname, o.conname
