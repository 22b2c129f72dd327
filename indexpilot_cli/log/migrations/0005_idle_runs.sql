CREATE TABLE {schema}.idle_runs (
    command text NOT NULL,
    outcome text NOT NULL,
    runs bigint NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (command, outcome)
);
