SELECT k.conname::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.conrelid = %(relid)s::oid AND k.contype = 'n' AND a.attname = %(name)s
