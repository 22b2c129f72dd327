WITH tables AS (
    SELECT c.relowner,
           pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
           pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS may_create
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p')
        AND c.relpersistence <> 't'
        AND n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', %(schema)s)
        -- What an extension brought is its owner's business.
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
),
largest AS (
    SELECT r.rolname, r.rolsuper
    FROM tables t
    JOIN pg_catalog.pg_roles r ON r.oid = t.relowner
    GROUP BY r.rolname, r.rolsuper
    ORDER BY count(*) DESC, r.rolname
    LIMIT 1
)
SELECT count(*) AS tables,
       count(*) FILTER (WHERE t.owned) AS owned,
       count(*) FILTER (WHERE t.owned AND t.may_create) AS indexable,
       (SELECT rolname::text FROM largest) AS owner,
       (SELECT rolsuper FROM largest) AS superuser_owns,
       -- Nothing is changed that cannot be written down.
       coalesce((
           SELECT pg_catalog.has_table_privilege(c.oid, 'INSERT')
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = %(schema)s AND c.relname = 'mutation_log'
       ), true) AS may_log
FROM tables t
