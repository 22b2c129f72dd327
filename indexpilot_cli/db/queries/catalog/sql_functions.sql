-- What the planner may put in the place of a call: inline_function and inline_set_returning_function of clauses.c.
SELECT n.nspname::text AS schema,
       p.proname::text AS name,
       coalesce(p.proargnames[1:p.pronargs], '{}')::text[] AS names,
       p.pronargs AS count,
       p.prosrc AS body,
       p.proretset AS returns_set
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE l.lanname = 'sql'
  AND p.prokind = 'f'
  AND p.provolatile <> 'v'
  AND NOT p.prosecdef
  AND NOT (p.proretset AND p.proisstrict)
  AND p.proconfig IS NULL
  AND p.prosrc <> ''
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  )
ORDER BY n.nspname, p.proname, p.oid
