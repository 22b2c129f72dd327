WITH RECURSIVE direct AS (
    SELECT DISTINCT r.ev_class AS relid
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.refobjid = %(relid)s::oid
      AND d.refobjsubid = %(number)s::int
), reached (relid, steps) AS (
    SELECT relid, 1 FROM direct
    UNION
    SELECT r.ev_class, reached.steps + 1
    FROM reached
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = reached.relid
    JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
    WHERE r.ev_class <> reached.relid AND reached.steps < 20
)
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, min(reached.steps)::int AS steps,
       c.oid = %(relid)s::oid AS is_rule
FROM reached
JOIN pg_catalog.pg_class c ON c.oid = reached.relid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
GROUP BY n.nspname, c.relname, c.relkind, c.oid
ORDER BY min(reached.steps), n.nspname, c.relname
