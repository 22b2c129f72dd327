SELECT n.nspname::text AS schema,
       c.relname::text AS relation,
       a.attnum::int AS number,
       s.stainherit AS inherited,
       CASE 6 WHEN stakind1 THEN stavalues1::text WHEN stakind2 THEN stavalues2::text
              WHEN stakind3 THEN stavalues3::text END::text[] AS range_length_histogram,
       CASE 6 WHEN stakind1 THEN stanumbers1[1] WHEN stakind2 THEN stanumbers2[1]
              WHEN stakind3 THEN stanumbers3[1] END AS range_empty_frac,
       CASE 7 WHEN stakind1 THEN stavalues1::text WHEN stakind2 THEN stavalues2::text
              WHEN stakind3 THEN stavalues3::text END::text[] AS range_bounds_histogram
FROM pg_statistic s
JOIN pg_class c ON c.oid = s.starelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = s.staattnum
WHERE 6 IN (stakind1, stakind2, stakind3)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
