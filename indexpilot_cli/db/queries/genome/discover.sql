WITH RECURSIVE relations AS (
    SELECT c.oid, n.nspname, c.relname, c.reltuples
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %(own)s)
      AND (%(schemas)s::text[] IS NULL OR n.nspname = ANY (%(schemas)s))
      AND NOT EXISTS (
          SELECT FROM pg_depend AS d
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      )
), fields AS (
    SELECT r.*, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull
    FROM relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
), chain AS (
    SELECT DISTINCT atttypid AS id, atttypid AS type, false AS not_null FROM fields
    UNION
    SELECT c.id, t.typbasetype, c.not_null OR t.typnotnull
    FROM chain AS c JOIN pg_type AS t ON t.oid = c.type
    WHERE t.typtype = 'd'
), bases AS (
    SELECT c.id, t.oid, c.not_null, t.typname, t.typcategory::text AS category, t.typtype
    FROM chain AS c JOIN pg_type AS t ON t.oid = c.type
    WHERE t.typtype <> 'd'
), types AS (
    SELECT b.*, array(
        SELECT DISTINCT am.amname::text
        FROM pg_opclass AS o JOIN pg_am AS am ON am.oid = o.opcmethod
        WHERE o.opcdefault AND (
            o.opcintype = b.oid
            OR o.opcintype IN (
                SELECT casttarget FROM pg_cast WHERE castsource = b.oid AND castmethod = 'b' AND castcontext = 'i'
            )
            OR o.opcintype = CASE
                WHEN b.typtype = 'e' THEN 'anyenum'::regtype
                WHEN b.typtype = 'r' THEN 'anyrange'::regtype
                WHEN b.typtype = 'm' THEN to_regtype('anymultirange')
                WHEN b.typtype = 'c' THEN 'record'::regtype
                WHEN b.category = 'A' THEN 'anyarray'::regtype
            END
        )
    ) AS methods
    FROM bases AS b
)
SELECT f.nspname AS schema_name, f.relname AS table_name, f.attname AS field_name, f.oid::bigint AS relid, f.attnum,
       format_type(f.atttypid, f.atttypmod) AS field_type, f.attnotnull OR t.not_null AS is_required,
       t.typname AS base_type, t.category, t.methods, s.avg_width,
       coalesce(
           f.reltuples > 10 AND s.null_frac < 1 AND s.n_distinct <= -1 + s.null_frac
           AND s.most_common_vals IS NULL AND s.histogram_bounds IS NULL AND t.category = 'S', false
       ) AS all_wide
FROM fields AS f
JOIN types AS t ON t.id = f.atttypid
LEFT JOIN pg_stats AS s
    ON s.schemaname = f.nspname AND s.tablename = f.relname AND s.attname = f.attname AND NOT s.inherited
ORDER BY f.nspname, f.relname, f.attnum
