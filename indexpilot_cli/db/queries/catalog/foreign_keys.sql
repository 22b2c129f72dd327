SELECT f.conname::text AS name,
       n.nspname::text AS schema,
       c.relname::text AS "table",
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.n)
        FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k (attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum) AS columns,
       rn.nspname::text AS referenced_schema,
       r.relname::text AS referenced_table,
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.n)
        FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k (attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum) AS referenced_columns,
       f.confdeltype::text AS on_delete,
       f.confupdtype::text AS on_update,
       f.convalidated AS validated
FROM pg_catalog.pg_constraint f
JOIN pg_catalog.pg_class c ON c.oid = f.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class r ON r.oid = f.confrelid
JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE f.contype = 'f' AND f.conparentid = 0 AND f.conrelid = ANY (%(oids)s::oid[])
ORDER BY n.nspname, c.relname, f.conname
