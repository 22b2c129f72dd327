-- What a log does not say itself. Timeouts in milliseconds; NULL: none is configured. A session may have set its own;
-- ours has, so reset_val, and what is configured for other roles and databases stands in pg_db_role_setting.
WITH configured AS (
    SELECT s.name, s.reset_val || 'ms' AS value FROM pg_catalog.pg_settings s
    UNION ALL
    SELECT lower(split_part(c, '=', 1)), substr(c, strpos(c, '=') + 1)
    FROM pg_catalog.pg_db_role_setting r, unnest(r.setconfig) AS c
    WHERE r.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
), timeouts AS (
    SELECT name,
           1000 * extract(epoch FROM CASE WHEN value ~ '^[0-9.]+ *(us|ms|s|min|h|d)$' THEN value::interval
                                          WHEN value ~ '^[0-9]+$' THEN (value || 'ms')::interval END) AS ms
    FROM configured
    WHERE name IN ('statement_timeout', 'lock_timeout')
)
SELECT (SELECT s.reset_val FROM pg_catalog.pg_settings s WHERE s.name = 'log_timezone') AS zone,
       (SELECT min(ms)::float8 FROM timeouts WHERE name = 'statement_timeout' AND ms > 0) AS statement_timeout,
       (SELECT min(ms)::float8 FROM timeouts WHERE name = 'lock_timeout' AND ms > 0) AS lock_timeout
