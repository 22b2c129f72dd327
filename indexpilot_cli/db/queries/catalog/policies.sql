-- Policies of tables that some role which may log in and read the table is subject to: neither superuser nor BYPASSRLS,
-- nor the owner (unless forced). https://www.postgresql.org/docs/current/ddl-rowsecurity.html
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       p.polcmd::text AS command,
       p.polpermissive AS permissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS condition
FROM pg_catalog.pg_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.polrelid AND c.relrowsecurity
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.polqual IS NOT NULL
  AND EXISTS (
      SELECT FROM pg_catalog.pg_roles r
      WHERE r.rolcanlogin
        AND NOT r.rolsuper
        AND NOT r.rolbypassrls
        AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'))
        AND pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')
        AND (
            0 = ANY (p.polroles)
            OR EXISTS (SELECT FROM unnest(p.polroles) AS m (role) WHERE pg_catalog.pg_has_role(r.oid, m.role, 'USAGE'))
        )
  )
ORDER BY n.nspname, c.relname, p.polname
