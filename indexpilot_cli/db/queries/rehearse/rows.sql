SELECT t.oid::pg_catalog.regclass::text AS name,
       pg_catalog.format(
           'INSERT INTO %%s (%%s) VALUES (%%s)', t.oid::pg_catalog.regclass,
           pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum),
           pg_catalog.string_agg(pg_catalog.format(
               CASE
                   WHEN b.typcategory = 'E' THEN '(pg_catalog.enum_range(NULL::%%2$s))[1]'
                   ELSE '%%1$L::%%2$s'
               END,
               CASE
                   WHEN b.typcategory = 'N' THEN '0'
                   WHEN b.typcategory = 'B' THEN 'false'
                   WHEN b.typcategory = 'D' THEN '2020-01-01 00:00:00+00'
                   WHEN b.typcategory = 'T' THEN '0'
                   WHEN b.typcategory = 'A' THEN '{}'
                   WHEN b.typcategory = 'R' THEN 'empty'
                   WHEN b.typcategory = 'I' THEN '127.0.0.1'
                   WHEN b.typname = 'uuid' THEN '00000000-0000-0000-0000-000000000000'
                   WHEN b.typname IN ('json', 'jsonb') THEN '{}'
                   WHEN b.typcategory = 'S' THEN ''
               END,
               pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)) AS sql
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type d ON d.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END
WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition AND t.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND a.attidentity = '' AND a.attgenerated = ''
GROUP BY t.oid
ORDER BY t.oid
