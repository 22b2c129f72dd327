CREATE TABLE {schema}.runtime_switch (
    name text PRIMARY KEY,
    is_off boolean NOT NULL,
    reason text NOT NULL DEFAULT '',
    actor text,
    since timestamptz NOT NULL DEFAULT now(),
    until timestamptz
);

CREATE TABLE {schema}.plan_approvals (
    id bigserial PRIMARY KEY,
    plan_id text NOT NULL,
    digest text NOT NULL,
    approved_by text NOT NULL,
    server_role text NOT NULL DEFAULT session_user,
    reason text NOT NULL DEFAULT '',
    approved_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX plan_approvals_plan_idx ON {schema}.plan_approvals (plan_id, digest);
