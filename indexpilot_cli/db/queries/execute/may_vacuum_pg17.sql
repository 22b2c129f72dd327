SELECT pg_catalog.has_table_privilege(c.oid, 'MAINTAIN') OR pg_catalog.pg_has_role(d.datdba, 'USAGE')
FROM pg_catalog.pg_class c, pg_catalog.pg_database d
WHERE c.oid = %(relid)s AND d.datname = pg_catalog.current_database()
