SELECT command, outcome, runs, first_at, last_at FROM {schema}.idle_runs ORDER BY command, outcome
