INSERT INTO {schema}.ab_experiments (
    name, schema_name, table_name, variant_a, variant_b, split, kind, settings, state, actor)
VALUES (%(name)s, %(schema_name)s, %(table_name)s, %(a)s, %(b)s, %(split)s, %(kind)s, %(settings)s, %(state)s, %(actor)s)
ON CONFLICT DO NOTHING
RETURNING id
