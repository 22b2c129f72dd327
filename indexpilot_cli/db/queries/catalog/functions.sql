-- Names in a few lists, volatile ones first: a row for each of the three thousand took three times as long.
SELECT n.nspname::text AS schema,
       p.provolatile::text AS volatility,
       p.proleakproof AS leakproof,
       p.prosupport <> 0 AND p.prorettype = 'bool'::regtype AND n.nspname <> 'pg_catalog' AS supported,
       array_agg(p.proname::text) AS names
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'f'
  AND p.prorettype NOT IN ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype)
  AND NOT ('internal'::regtype = ANY (p.proargtypes))
  AND NOT ('cstring'::regtype = ANY (p.proargtypes))
  AND n.nspname <> 'information_schema'
GROUP BY n.nspname, p.provolatile, p.proleakproof, supported
ORDER BY pg_catalog.array_position('{v,s,i}', p.provolatile), n.nspname, leakproof, supported
