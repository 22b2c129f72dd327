CREATE TABLE {schema}.calibrations (
    id bigserial PRIMARY KEY,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
