SELECT DISTINCT n.nspname::text AS schema, c.relname::text AS name, e.event
FROM pg_catalog.pg_trigger g
JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN (VALUES (4, 'insert'), (8, 'delete'), (16, 'update')) AS e (bit, event) ON (g.tgtype & e.bit) <> 0
WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'
