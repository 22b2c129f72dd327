SELECT pg_catalog.format('ALTER TABLE %%s DROP CONSTRAINT %%I CASCADE', c.conrelid::pg_catalog.regclass, c.conname) AS sql
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE c.contype::text = ANY (%(types)s)
  AND c.conparentid = 0
  AND (c.contype <> 'c' OR c.coninhcount = 0)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY c.oid
