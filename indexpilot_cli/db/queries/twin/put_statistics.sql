WITH given AS (
    SELECT *
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (
        relation text, "column" text, number smallint, inherited boolean, null_frac real, avg_width integer,
        n_distinct real, correlation real, most_common_vals text[], most_common_freqs real[],
        histogram_bounds text[], most_common_elems text[], most_common_elem_freqs real[],
        elem_count_histogram real[], range_length_histogram text[], range_empty_frac real,
        range_bounds_histogram text[], own jsonb, type oid, "collation" oid)
),
placed AS (
    SELECT g.*, a.attrelid, a.attnum, coalesce(g."collation", a.attcollation) AS attcollation,
           coalesce(nullif(t.typbasetype, 0), t.oid) AS value_type,
           t.typanalyze::oid < 16384 OR jsonb_array_length(g.own) > 0 AS whole
    FROM given g
    JOIN pg_attribute a ON a.attrelid = to_regclass(g.relation)
        AND (a.attname = g."column" OR a.attnum = g.number) AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = coalesce(g.type, a.atttypid)
),
typed AS (
    SELECT p.*, t.typcategory, t.typtype,
           CASE WHEN t.typcategory = 'A' THEN t.typelem WHEN t.oid = 'tsvector'::regtype THEN 'text'::regtype END
               AS element_type,
           -- Of a multirange the bounds are those of one range; the column is not there before 14.
           coalesce((SELECT r.rngtypid FROM pg_range r WHERE (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid), t.oid)
               AS bounds_type
    FROM placed p
    JOIN pg_type t ON t.oid = p.value_type
    WHERE p.whole
),
operators AS (
    SELECT wanted.type,
           (array_agg(lt.amopopr ORDER BY rank.n, c.opcintype = wanted.type DESC, pt.typispreferred DESC))[1] AS lt,
           (array_agg(eq.amopopr ORDER BY rank.n, c.opcintype = wanted.type DESC, pt.typispreferred DESC))[1] AS eq
    FROM (SELECT value_type AS type FROM typed UNION SELECT element_type FROM typed WHERE element_type <> 0) AS wanted
    JOIN pg_type w ON w.oid = wanted.type
    CROSS JOIN LATERAL (
        SELECT 1 AS n, wanted.type AS input
        UNION ALL
        SELECT 2, k.casttarget FROM pg_cast k WHERE k.castsource = wanted.type AND k.castmethod = 'b'
            AND k.castcontext = 'i'
        UNION ALL
        SELECT 3, CASE
            WHEN w.typcategory = 'A' THEN 'anyarray'::regtype::oid
            WHEN w.typtype = 'e' THEN 'anyenum'::regtype::oid
            WHEN w.typtype = 'r' THEN 'anyrange'::regtype::oid
            WHEN w.typtype = 'm' THEN to_regtype('anymultirange')::oid
            WHEN w.typtype = 'c' THEN 'record'::regtype::oid
        END
    ) AS rank
    JOIN pg_opclass c ON c.opcintype = rank.input AND c.opcdefault
        AND c.opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree')
    JOIN pg_type pt ON pt.oid = c.opcintype
    JOIN pg_amop lt ON lt.amopfamily = c.opcfamily AND lt.amoplefttype = c.opcintype
        AND lt.amoprighttype = c.opcintype AND lt.amopstrategy = 1
    JOIN pg_amop eq ON eq.amopfamily = c.opcfamily AND eq.amoplefttype = c.opcintype
        AND eq.amoprighttype = c.opcintype AND eq.amopstrategy = 3
    GROUP BY wanted.type
),
hashed AS (
    SELECT c.opcintype AS type, min(eq.amopopr::oid) AS eq
    FROM pg_opclass c
    JOIN pg_amop eq ON eq.amopfamily = c.opcfamily AND eq.amoplefttype = c.opcintype
        AND eq.amoprighttype = c.opcintype AND eq.amopstrategy = 1
    WHERE c.opcdefault AND c.opcmethod = (SELECT oid FROM pg_am WHERE amname = 'hash')
    GROUP BY c.opcintype
),
slots AS (
    SELECT t.*,
           coalesce(o.eq, h.eq, 0::oid) AS eq,
           coalesce(o.lt, 0::oid) AS lt,
           coalesce(e.eq, 0::oid) AS element_eq,
           cardinality(t.most_common_freqs) > 0 AS common,
           cardinality(t.histogram_bounds) > 0 AND o.lt IS NOT NULL AS bounds,
           t.correlation IS NOT NULL AND o.lt IS NOT NULL AS ordered,
           cardinality(t.most_common_elem_freqs) > 0 AND e.eq IS NOT NULL AS elements,
           cardinality(t.elem_count_histogram) > 0 AND e.eq IS NOT NULL AS counts,
           cardinality(t.range_length_histogram) > 0 OR t.range_empty_frac IS NOT NULL AS lengths,
           cardinality(t.range_bounds_histogram) > 0 AS ranges,
           CASE WHEN t.value_type = 'tsvector'::regtype THEN 100::oid ELSE t.attcollation END AS element_collation
    FROM typed t
    LEFT JOIN operators o ON o.type = t.value_type
    LEFT JOIN operators e ON e.type = t.element_type
    LEFT JOIN hashed h ON h.type = t.value_type
),
put AS (
    INSERT INTO pg_statistic (
        starelid, staattnum, stainherit, stanullfrac, stawidth, stadistinct,
        stakind1, stakind2, stakind3, stakind4, stakind5, staop1, staop2, staop3, staop4, staop5,
        stacoll1, stacoll2, stacoll3, stacoll4, stacoll5,
        stanumbers1, stanumbers2, stanumbers3, stanumbers4, stanumbers5,
        stavalues1, stavalues2, stavalues3, stavalues4, stavalues5)
    SELECT attrelid, attnum, coalesce(inherited, false), null_frac, avg_width, n_distinct,
           CASE WHEN common THEN 1 ELSE 0 END,
           CASE WHEN bounds THEN 2 ELSE 0 END,
           CASE WHEN ordered THEN 3 ELSE 0 END,
           CASE WHEN elements THEN 4 WHEN lengths THEN 6 ELSE 0 END,
           CASE WHEN counts THEN 5 WHEN ranges THEN 7 ELSE 0 END,
           CASE WHEN common THEN eq ELSE 0 END,
           CASE WHEN bounds THEN lt ELSE 0 END,
           CASE WHEN ordered THEN lt ELSE 0 END,
           CASE WHEN elements THEN element_eq WHEN lengths THEN 'pg_catalog.<(float8,float8)'::regoperator::oid ELSE 0 END,
           CASE WHEN counts THEN element_eq ELSE 0 END,
           CASE WHEN common THEN attcollation ELSE 0 END,
           CASE WHEN bounds THEN attcollation ELSE 0 END,
           CASE WHEN ordered THEN attcollation ELSE 0 END,
           CASE WHEN elements THEN element_collation ELSE 0 END,
           CASE WHEN counts THEN element_collation ELSE 0 END,
           CASE WHEN common THEN most_common_freqs END,
           NULL::real[],
           CASE WHEN ordered THEN ARRAY[correlation] END,
           CASE WHEN elements THEN most_common_elem_freqs WHEN lengths THEN ARRAY[coalesce(range_empty_frac, 0)] END,
           CASE WHEN counts THEN elem_count_histogram END,
           CASE WHEN common THEN array_in(textout(most_common_vals::text), value_type, -1) END,
           CASE WHEN bounds THEN array_in(textout(histogram_bounds::text), value_type, -1) END,
           NULL,
           CASE WHEN elements THEN array_in(textout(most_common_elems::text), element_type, -1)
                WHEN lengths THEN array_in(textout(coalesce(range_length_histogram, '{}')::text), 'float8'::regtype, -1) END,
           CASE WHEN ranges THEN array_in(textout(range_bounds_histogram::text), bounds_type, -1) END
    FROM slots
)
SELECT relation, coalesce("column", number::text) AS "column", false AS taken, true AS left_out
FROM placed
WHERE NOT whole
