DELETE FROM {schema}.counter_snapshots s WHERE s.kind = 'statements' AND s.taken_at < now() - %(days)s * interval '1 day'
