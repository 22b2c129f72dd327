-- What is one value is a question of its own: as joins, all that took the server six times as long to plan as to run.
SELECT c.relname::text AS name,
       n.nspname::text AS schema,
       tn.nspname::text AS table_schema,
       t.relname::text AS table_name,
       pg_catalog.pg_get_indexdef(c.oid) AS definition,
       i.indisvalid AND i.indisready AS valid,
       i.indisvalid AND i.indisready AND i.indislive AS usable,
       i.indisunique AS is_unique,
       i.indisclustered AS clustered,
       i.indisreplident AS replica_identity,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       (SELECT s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace) AS tablespace,
       c.relkind = 'I' AS partitioned,
       p.nspname::text AS parent_schema,
       p.relname::text AS parent_name,
       coalesce(pg_catalog.pg_relation_size(c.oid), 0)::int8 AS bytes,
       pg_catalog.pg_relation_filenode(c.oid)::int8 AS filenode,
       o.conname::text AS constraint_name,
       o.contype::text AS constraint_kind,
       coalesce(o.condeferrable, false) AS is_deferrable,
       coalesce(o.condeferred, false) AS is_deferred,
       pg_catalog.obj_description(o.oid, 'pg_constraint') AS constraint_comment,
       (SELECT array_agg(ARRAY[a.attnum::int, a.attstattarget::int] ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) >= 0) AS targets,
       i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS computed,
       (SELECT array_agg(DISTINCT a.attname::text)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum > 0
          AND (a.attnum = ANY (i.indkey) OR EXISTS (
              SELECT FROM pg_catalog.pg_depend d
              WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid
                AND d.refobjsubid = a.attnum
                AND (d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                     OR d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = o.oid)))) AS columns,
       (SELECT array_agg(a.attname::text ORDER BY k.ordinality)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, ordinality)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.ordinality <= i.indnkeyatts AND i.indisunique AND i.indisvalid AND i.indimmediate
          AND i.indexprs IS NULL AND i.indpred IS NULL) AS key_columns,
       i.indisprimary AS is_primary
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN LATERAL (SELECT tc.relname, tc.relnamespace FROM pg_catalog.pg_class tc WHERE tc.oid = i.indrelid OFFSET 0)
    AS t ON true
JOIN LATERAL (SELECT x.nspname FROM pg_catalog.pg_namespace x WHERE x.oid = t.relnamespace OFFSET 0) AS tn ON true
LEFT JOIN LATERAL (
    SELECT k.oid, k.conname, k.contype, k.condeferrable, k.condeferred FROM pg_catalog.pg_constraint k
    WHERE k.conrelid = i.indrelid AND k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
    OFFSET 0
) AS o ON true
LEFT JOIN LATERAL (
    SELECT pn.nspname, pc.relname
    FROM pg_catalog.pg_inherits h
    JOIN pg_catalog.pg_class pc ON pc.oid = h.inhparent
    JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
    WHERE h.inhrelid = c.oid
    OFFSET 0
) AS p ON true
WHERE i.indrelid = %(relid)s::oid
ORDER BY c.relname
