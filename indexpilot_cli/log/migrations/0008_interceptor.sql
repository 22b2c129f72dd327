CREATE TABLE {schema}.interceptor_outcomes (
    id bigserial PRIMARY KEY,
    template_id text NOT NULL,
    template text NOT NULL,
    cost double precision NOT NULL,
    calls integer NOT NULL,
    slow integer NOT NULL,
    cancelled integer NOT NULL,
    total_ms double precision NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX interceptor_outcomes_created_at_idx ON {schema}.interceptor_outcomes (created_at);
