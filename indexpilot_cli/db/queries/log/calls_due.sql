SELECT NOT EXISTS (
    SELECT FROM {schema}.counter_snapshots s
    WHERE s.kind = 'statements' AND s.counters ->> 'cluster' = %(cluster)s
      AND (s.taken_at AT TIME ZONE 'UTC')::date = (now() AT TIME ZONE 'UTC')::date)
