INSERT INTO {schema}.idle_runs AS i (command, outcome) VALUES (%(command)s, %(outcome)s)
ON CONFLICT (command, outcome) DO UPDATE SET runs = i.runs + 1, last_at = clock_timestamp()
