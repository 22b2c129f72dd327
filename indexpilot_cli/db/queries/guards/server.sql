WITH own_settings AS MATERIALIZED (
    -- Read once: the view lists all settings each time that it is asked for one.
    SELECT s.name, s.setting, s.reset_val FROM pg_catalog.pg_settings s
    WHERE s.name IN ('default_transaction_read_only', 'data_directory')
)
SELECT clock_timestamp() AS now,
       current_user::text AS role,
       pg_catalog.current_database()::text AS database,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       EXISTS (SELECT FROM own_settings s
               WHERE s.name = 'default_transaction_read_only' AND s.reset_val = 'on') AS read_only,
       pg_catalog.pg_backend_pid() AS backend_pid,
       (SELECT a.backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a) AS backend_start,
       (SELECT count(*) FROM pg_catalog.pg_stat_get_activity(NULL) a
        WHERE a.state = 'active' AND a.wait_event IS NULL AND a.backend_type IN ('client backend', 'parallel worker')
          AND a.pid <> pg_catalog.pg_backend_pid()) AS running,
       current_setting('max_parallel_workers')::int AS parallel_workers,
       (SELECT s.setting FROM own_settings s WHERE s.name = 'data_directory') AS data_directory,
       t.spcname::text AS tablespace,
       nullif(pg_catalog.pg_tablespace_location(t.oid), '') AS tablespace_path,
       t.oid = d.dattablespace OR pg_catalog.has_tablespace_privilege(t.oid, 'CREATE') AS may_use_tablespace,
       age(d.datfrozenxid) AS xid_age,
       mxid_age(d.datminmxid) AS multixact_age
FROM pg_catalog.pg_database d
JOIN pg_catalog.pg_tablespace t
    ON t.oid = coalesce((SELECT s.oid FROM pg_catalog.pg_tablespace s
                         WHERE s.spcname = nullif(current_setting('default_tablespace'), '')), d.dattablespace)
WHERE d.datname = pg_catalog.current_database()
