SELECT n.nspname::text AS schema,
       c.relname::text AS relation,
       a.attnum::int AS number,
       s.stainherit AS inherited,
       k.kinds::int[] AS kinds,
       k.numbers::jsonb AS numbers
FROM pg_statistic s
JOIN pg_class c ON c.oid = s.starelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = s.staattnum
CROSS JOIN LATERAL (
    SELECT array_agg(slot.kind ORDER BY slot.n) AS kinds,
           jsonb_agg(to_jsonb(slot.numbers) ORDER BY slot.n) AS numbers,
           bool_and(slot.numbers IS NOT NULL AND slot.operator = 0 AND slot.bare) AS plain
    FROM (VALUES (1, stakind1, stanumbers1, staop1, stavalues1 IS NULL), (2, stakind2, stanumbers2, staop2, stavalues2 IS NULL),
                 (3, stakind3, stanumbers3, staop3, stavalues3 IS NULL), (4, stakind4, stanumbers4, staop4, stavalues4 IS NULL),
                 (5, stakind5, stanumbers5, staop5, stavalues5 IS NULL)) AS slot (n, kind, numbers, operator, bare)
    WHERE slot.kind >= 100
) AS k
WHERE k.plain
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
