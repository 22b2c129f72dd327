SELECT k.conname::text AS name,
       k.contype::text AS kind,
       k.convalidated AS validated,
       coalesce((to_jsonb(k) ->> 'conenforced')::bool, true) AS enforced,
       pg_catalog.obj_description(k.oid, 'pg_constraint') AS comment,
       rn.nspname::text AS references_schema,
       rc.relname::text AS references_name,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM unnest(k.conkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number
             ORDER BY key.place) AS columns,
       coalesce(%(attnum)s::int = ANY (k.conkey), false) AS concerned,
       coalesce(to_jsonb(k) -> 'confdelsetcols' @> to_jsonb(%(attnum)s::int), false) AS set_on_delete,
       pg_catalog.pg_get_constraintdef(k.oid) AS definition,
       CASE WHEN k.contype = 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid) END AS expression,
       k.conkey::int[] AS numbers
FROM pg_catalog.pg_constraint k
LEFT JOIN pg_catalog.pg_class rc ON rc.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
WHERE k.conrelid = %(relid)s::oid
ORDER BY k.conname
