SELECT set_config(split_part(c.item, '=', 1), substr(c.item, strpos(c.item, '=') + 1), false)
FROM pg_db_role_setting s
JOIN pg_roles r ON r.oid = s.setrole AND s.setdatabase = 0
CROSS JOIN LATERAL unnest(s.setconfig) AS c (item)
WHERE r.rolname = %(role)s
