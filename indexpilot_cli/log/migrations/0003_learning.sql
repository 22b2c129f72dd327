CREATE TABLE {schema}.ab_experiments (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    schema_name text NOT NULL DEFAULT 'public',
    table_name text NOT NULL,
    field_name text,
    variant_a jsonb NOT NULL,
    variant_b jsonb NOT NULL,
    split double precision NOT NULL DEFAULT 0.5 CHECK (split BETWEEN 0 AND 1),
    status text NOT NULL DEFAULT 'running',
    winner text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

CREATE TABLE {schema}.ab_experiment_results (
    id bigserial PRIMARY KEY,
    experiment_id integer NOT NULL REFERENCES {schema}.ab_experiments (id) ON DELETE CASCADE,
    variant text NOT NULL,
    metric text NOT NULL,
    value double precision NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ab_experiment_results_experiment_idx ON {schema}.ab_experiment_results (experiment_id, variant);

CREATE TABLE {schema}.ml_model_metadata (
    id serial PRIMARY KEY,
    model_name text NOT NULL,
    model_version integer NOT NULL DEFAULT 1,
    samples integer NOT NULL,
    parameters jsonb,
    metrics jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model_name, model_version)
);

CREATE TABLE {schema}.algorithm_usage (
    id bigserial PRIMARY KEY,
    algorithm text NOT NULL,
    schema_name text,
    table_name text,
    field_name text,
    recommendation_id text,
    decision text,
    details_json jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX algorithm_usage_algorithm_idx ON {schema}.algorithm_usage (algorithm, created_at);
