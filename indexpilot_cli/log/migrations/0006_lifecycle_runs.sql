CREATE TABLE {schema}.lifecycle_runs (
    id bigserial PRIMARY KEY,
    job text NOT NULL,
    tenant_id integer,
    state text NOT NULL DEFAULT 'RUNNING',
    due_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    actor text,
    plan_id text,
    error text,
    details_json jsonb
);

CREATE INDEX lifecycle_runs_job_idx ON {schema}.lifecycle_runs (job, tenant_id, id);

CREATE TABLE {schema}.lifecycle_policies (
    tenant_id integer PRIMARY KEY,
    schedule text NOT NULL CHECK (schedule IN ('weekly', 'monthly', 'off')),
    components text[],
    min_age_seconds double precision,
    actor text,
    updated_at timestamptz NOT NULL DEFAULT now()
);
