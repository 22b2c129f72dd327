SELECT n.nspname::text AS schema, c.relname::text AS name, bool_or((g.tgtype & 20) <> 0) AS writes,
    -- before a row is written: it may be changed or swallowed
    bool_or((g.tgtype & 6) = 6) AS insert, bool_or((g.tgtype & 18) = 18) AS update, bool_or((g.tgtype & 10) = 10) AS delete
FROM pg_catalog.pg_trigger g
JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'
  AND (g.tgtype & 1) = 1  -- for each row
GROUP BY n.nspname, c.relname
