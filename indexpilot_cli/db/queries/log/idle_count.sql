INSERT INTO {schema}.idle_runs AS i (command, outcome) VALUES (%(command)s, %(outcome)s)
ON CONFLICT (command, outcome) DO UPDATE SET runs = i.runs + 1, last_at = clock_timestamp()
RETURNING EXISTS (
    SELECT FROM {schema}.mutation_log
    WHERE created_at > clock_timestamp() - interval '1 hour'
      AND details_json ->> 'idle' = %(outcome)s AND details_json ->> 'command' = %(command)s
)
