CREATE TABLE {schema}.plans (
    id text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    format integer NOT NULL DEFAULT 1,
    plan_json jsonb NOT NULL
);

CREATE INDEX plans_created_at_idx ON {schema}.plans (created_at);

CREATE TABLE {schema}.ignored_advice (
    recommendation_id text PRIMARY KEY,
    reason text NOT NULL,
    until timestamptz,
    actor text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {schema}.index_versions (
    id bigserial PRIMARY KEY,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    index_name text NOT NULL,
    version integer NOT NULL,
    definition_sql text NOT NULL,
    undo_sql text,
    op_id uuid,
    is_current boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (schema_name, index_name, version)
);

CREATE TABLE {schema}.counter_snapshots (
    id bigserial PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    stats_since timestamptz,
    server_started timestamptz,
    counters jsonb NOT NULL
);

CREATE INDEX counter_snapshots_kind_idx ON {schema}.counter_snapshots (kind, taken_at);

CREATE TABLE {schema}.explain_statistics (
    day date NOT NULL DEFAULT current_date,
    origin text NOT NULL,
    outcome text NOT NULL,
    statements bigint NOT NULL DEFAULT 0,
    total_ms double precision NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, origin, outcome)
);
