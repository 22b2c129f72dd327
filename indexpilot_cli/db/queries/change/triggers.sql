SELECT t.tgname::text AS name, t.tgenabled = 'A' AS is_always
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = %(relid)s::oid
  AND NOT t.tgisinternal
  AND t.tgenabled IN ('O', 'A')
  AND t.tgtype & 16 <> 0
ORDER BY t.tgname
