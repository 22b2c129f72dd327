DELETE FROM pg_statistic
WHERE starelid IN (SELECT to_regclass(r)::oid FROM unnest(%(relations)s::text[]) AS r)
