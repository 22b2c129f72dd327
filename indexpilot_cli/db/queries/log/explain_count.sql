INSERT INTO {schema}.explain_statistics AS e (origin, outcome, statements, total_ms)
SELECT %(origin)s, found.outcome, found.statements, found.ms
FROM (VALUES ('planned', %(planned)s::bigint, %(ms)s::double precision), ('failed', %(failed)s::bigint, 0))
     AS found (outcome, statements, ms)
WHERE found.statements > 0
ON CONFLICT (day, origin, outcome) DO UPDATE
SET statements = e.statements + excluded.statements, total_ms = e.total_ms + excluded.total_ms, updated_at = now()
