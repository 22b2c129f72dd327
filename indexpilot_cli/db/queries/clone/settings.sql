SELECT c.item
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_roles r ON r.oid = s.setrole AND s.setdatabase = 0
CROSS JOIN LATERAL unnest(s.setconfig) AS c (item)
WHERE r.rolname = %(role)s
ORDER BY 1
