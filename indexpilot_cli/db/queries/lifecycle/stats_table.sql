SELECT c.relkind = 'p' AS partitioned,
       EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND conname = 'query_stats_until') AS guarded,
       pg_get_userbyid(c.relowner)::text AS owner, current_user::text AS role,
       (SELECT s.relname::text FROM pg_class AS s
        WHERE s.oid = pg_get_serial_sequence(format('%%I.%%I', n.nspname, c.relname), 'id')::regclass) AS sequence,
       array(
           SELECT x.relname::text FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
           WHERE i.indrelid = c.oid AND i.indisvalid
       ) AS indexes,
       array(
           SELECT pg_describe_object(o.class, o.id, 0)
           FROM (
               SELECT 'pg_class'::regclass AS class, r.ev_class AS id
               FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid
               WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
               UNION
               SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
               UNION
               SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = c.oid
               UNION
               SELECT 'pg_publication_rel'::regclass, oid FROM pg_publication_rel WHERE prrelid = c.oid
               UNION
               SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE confrelid = c.oid
               UNION
               SELECT 'pg_class'::regclass, inhrelid FROM pg_inherits WHERE inhparent = c.oid AND c.relkind <> 'p'
           ) AS o
           WHERE o.id <> c.oid
       ) AS dependents,
       clock_timestamp() AS now
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = 'query_stats'
