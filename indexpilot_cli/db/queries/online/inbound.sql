SELECT n.nspname::text AS schema,
       c.relname::text AS table_name,
       c.relkind::text AS kind,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       k.conname::text AS name,
       k.convalidated AS validated,
       coalesce((to_jsonb(k) ->> 'conenforced')::bool, true) AS enforced,
       k.conrelid = k.confrelid AS own_table,
       k.conparentid <> 0 AS inherited,
       pg_catalog.obj_description(k.oid, 'pg_constraint') AS comment,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM unnest(k.confkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.number
             ORDER BY key.place) AS columns,
       pg_catalog.pg_get_constraintdef(k.oid) AS definition
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.confrelid = %(relid)s::oid AND %(attnum)s::int = ANY (k.confkey)
ORDER BY 1, 2, k.conname
