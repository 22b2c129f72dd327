-- As vacuum_is_permitted_for_relation() has it: the table's owner, or that of the database.
SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role(d.datdba, 'USAGE')
FROM pg_catalog.pg_class c, pg_catalog.pg_database d
WHERE c.oid = %(relid)s AND d.datname = pg_catalog.current_database()
