SELECT coalesce(d.datname, '')::text AS database,
       coalesce(r.rolname, '')::text AS role,
       split_part(c.item, '=', 1) AS name,
       substr(c.item, strpos(c.item, '=') + 1) AS value
FROM pg_db_role_setting s
LEFT JOIN pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_roles r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) AS c (item)
WHERE s.setdatabase = 0 OR d.datname = current_database()
ORDER BY 1, 2, 3
