-- How many values ANALYZE keeps of a column: as set (-1: not), and what that comes to.
SELECT coalesce(a.attstattarget, -1)::int4 AS set,
       coalesce(nullif(a.attstattarget, -1), current_setting('default_statistics_target')::int4)::int4 AS now
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = %(relid)s::oid AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
