-- What an unqualified name means for a role in this database: settings for both go before those of the role, and those
-- before the database's own. https://www.postgresql.org/docs/current/sql-alterrole.html
SELECT r.oid::int8 AS role,
       r.rolname::text AS name,
       coalesce((SELECT substr(c.item, strpos(c.item, '=') + 1)
                 FROM pg_catalog.pg_db_role_setting s
                 LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
                      unnest(s.setconfig) AS c (item)
                 WHERE s.setrole IN (r.oid, 0)
                   AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
                   AND c.item LIKE 'search\_path=%'
                 ORDER BY s.setrole = 0, s.setdatabase = 0
                 LIMIT 1),
                (SELECT s.boot_val FROM pg_catalog.pg_settings s WHERE s.name = 'search_path')) AS path
FROM pg_catalog.pg_roles r
WHERE r.rolcanlogin
