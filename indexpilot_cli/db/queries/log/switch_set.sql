INSERT INTO {schema}.runtime_switch (name, is_off, reason, actor, since, until)
VALUES (%(name)s, %(is_off)s, %(reason)s, %(actor)s, clock_timestamp(),
        CASE WHEN %(seconds)s::float8 IS NOT NULL THEN clock_timestamp() + make_interval(secs => %(seconds)s) END)
ON CONFLICT (name) DO UPDATE
SET is_off = EXCLUDED.is_off, reason = EXCLUDED.reason, actor = EXCLUDED.actor, since = EXCLUDED.since,
    until = EXCLUDED.until
