ALTER TABLE {schema}.index_versions
    ADD COLUMN lineage bigint,
    ADD COLUMN is_part boolean NOT NULL DEFAULT false;

UPDATE {schema}.index_versions v SET lineage = first.id
FROM (
    SELECT o.schema_name, o.table_name, o.index_name, min(o.id) AS id
    FROM {schema}.index_versions o
    GROUP BY o.schema_name, o.table_name, o.index_name
) first
WHERE first.id <> v.id
  AND (v.schema_name, v.table_name, v.index_name) = (first.schema_name, first.table_name, first.index_name);

UPDATE {schema}.index_versions v SET is_part = true
FROM {schema}.mutation_log m
WHERE m.op_id = v.op_id AND m.details_json ? 'part_of';

CREATE INDEX index_versions_lineage_idx ON {schema}.index_versions (coalesce(lineage, id));

ALTER TABLE {schema}.ab_experiments
    ADD COLUMN kind text NOT NULL DEFAULT 'host' CHECK (kind IN ('host', 'index')),
    ADD COLUMN settings jsonb NOT NULL DEFAULT '{{}}',
    ADD COLUMN state jsonb NOT NULL DEFAULT '{{}}',
    ADD COLUMN actor text;

CREATE UNIQUE INDEX ab_experiments_one_per_table_idx ON {schema}.ab_experiments (schema_name, table_name)
WHERE status = 'running';

ALTER TABLE {schema}.ab_experiment_results ADD COLUMN details_json jsonb;
