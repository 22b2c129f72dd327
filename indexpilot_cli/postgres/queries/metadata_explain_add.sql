INSERT INTO {schema}.explain_statistics AS e (origin, outcome, statements, total_ms)
VALUES (%(origin)s, %(outcome)s, %(statements)s, %(total_ms)s)
ON CONFLICT (day, origin, outcome) DO UPDATE
SET statements = e.statements + EXCLUDED.statements, total_ms = e.total_ms + EXCLUDED.total_ms, updated_at = now()
