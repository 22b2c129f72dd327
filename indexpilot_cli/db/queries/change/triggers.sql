SELECT t.tgname::text AS name,
       t.tgenabled::text AS enabled,
       (t.tgtype & 16) <> 0 AS on_update,
       (t.tgtype & 3) = 3 AS before_row
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = %(relid)s::oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
ORDER BY t.tgname
