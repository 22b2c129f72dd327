SELECT n.nspname::text AS schema,
       p.proname::text AS name,
       min(CASE p.provolatile WHEN 'i' THEN 1 WHEN 's' THEN 2 ELSE 3 END) AS volatility,
       bool_and(p.proleakproof) AS leakproof,
       bool_or(p.prosupport <> 0 AND p.prorettype = 'bool'::regtype AND n.nspname <> 'pg_catalog') AS supported
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'f'
  AND p.prorettype NOT IN ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype)
  AND NOT ('internal'::regtype = ANY (p.proargtypes))
  AND NOT ('cstring'::regtype = ANY (p.proargtypes))
  AND n.nspname <> 'information_schema'
GROUP BY n.nspname, p.proname
ORDER BY n.nspname, p.proname
