SELECT e.id, e.name, e.schema_name, e.table_name, e.variant_a, e.variant_b, e.split, e.kind, e.settings, e.state,
       e.status, e.winner, e.created_at, e.ended_at
FROM {schema}.ab_experiments e
WHERE %(name)s::text IS NULL OR e.name = %(name)s
ORDER BY e.status = 'running' DESC, e.id DESC
