SELECT o.conname::text AS name,
       o.contype::text AS type,
       pg_catalog.pg_get_constraintdef(o.oid) AS definition,
       o.convalidated AS valid,
       coalesce((to_jsonb(o) ->> 'conenforced')::bool, true) AS enforced,
       o.condeferrable AS deferrable,
       o.condeferred AS deferred,
       o.conislocal AS is_local,
       pg_catalog.obj_description(o.oid, 'pg_constraint') AS comment,
       ic.reloptions::text[] AS options,
       s.spcname::text AS tablespace,
       (SELECT array_agg(DISTINCT a.attname::text)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = o.conrelid AND a.attnum > 0
          AND (a.attnum = ANY (o.conkey) OR EXISTS (
              SELECT FROM pg_catalog.pg_depend d
              WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = o.oid
                AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = o.conrelid
                AND d.refobjsubid = a.attnum))) AS columns,
       CASE WHEN o.contype = 'f' THEN (
           SELECT pg_catalog.quote_ident(rn.nspname) || '.' || pg_catalog.quote_ident(r.relname)
           FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
           WHERE r.oid = o.confrelid) END AS references_table,
       fn.nspname::text AS references_schema,
       f.relname::text AS references_name,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM unnest(o.conkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = key.number
             ORDER BY key.place) AS key_columns,
       coalesce(o.conkey::int[], '{}') AS numbers,
       coalesce(nullif(to_jsonb(o) -> 'confdelsetcols', 'null'), '[]') AS set_on_delete,
       CASE WHEN o.contype = 'c' THEN pg_catalog.pg_get_expr(o.conbin, o.conrelid) END AS expression
FROM pg_catalog.pg_constraint o
LEFT JOIN pg_catalog.pg_class ic ON ic.oid = o.conindid AND o.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = ic.reltablespace
LEFT JOIN pg_catalog.pg_class f ON f.oid = o.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
WHERE o.conrelid = %(relid)s::oid AND o.contype <> 't'
ORDER BY o.contype, o.conname
