WITH given AS (
    SELECT a.attrelid, a.attnum, coalesce(g.inherited, false) AS inherited, g.own
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (
        relation text, "column" text, number smallint, inherited boolean, own jsonb)
    JOIN pg_attribute a ON a.attrelid = to_regclass(g.relation)
        AND (a.attname = g."column" OR a.attnum = g.number) AND NOT a.attisdropped
    WHERE jsonb_array_length(g.own) > 0
),
whole AS (
    UPDATE pg_statistic s
    SET stakind4 = (g.own -> 0 ->> 'kind')::smallint,
        stanumbers4 = ARRAY(SELECT n::real FROM jsonb_array_elements_text(g.own -> 0 -> 'numbers') AS n),
        stakind5 = coalesce((g.own -> 1 ->> 'kind')::smallint, 0),
        stanumbers5 = CASE WHEN jsonb_array_length(g.own) > 1 THEN
            ARRAY(SELECT n::real FROM jsonb_array_elements_text(g.own -> 1 -> 'numbers') AS n) END
    FROM given g
    WHERE s.starelid = g.attrelid AND s.staattnum = g.attnum AND s.stainherit = g.inherited
      AND s.stakind4 = 0 AND s.stakind5 = 0 AND jsonb_array_length(g.own) <= 2
    RETURNING s.starelid, s.staattnum, s.stainherit
)
DELETE FROM pg_statistic s
USING given g
WHERE s.starelid = g.attrelid AND s.staattnum = g.attnum AND s.stainherit = g.inherited
  AND NOT EXISTS (SELECT FROM whole w WHERE (w.starelid, w.staattnum, w.stainherit)
                                          = (s.starelid, s.staattnum, s.stainherit))
