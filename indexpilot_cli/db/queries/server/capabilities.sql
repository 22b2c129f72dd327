WITH own_settings AS MATERIALIZED (
    -- Read once: the view lists all settings each time that it is asked for one.
    -- What is stored, not what this session has set: that is none where the role may, so that we are not recorded.
    SELECT s.name, s.reset_val FROM pg_catalog.pg_settings s
    WHERE s.name IN ('default_transaction_read_only', 'pg_stat_statements.max', 'pg_stat_statements.track',
                     'compute_query_id')
), available AS MATERIALIZED (
    -- Read once as well: the function reads a file for each extension that could be made.
    SELECT a.name, a.default_version
    FROM pg_catalog.pg_available_extensions() AS a (name, default_version, comment)
    WHERE a.name IN ('hypopg', 'pg_stat_statements')
)
SELECT current_setting('server_version') AS version_text,
       current_setting('server_version_num')::int AS version,
       pg_catalog.current_database()::text AS database,
       current_user::text AS role,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.pg_backend_pid() AS backend_pid,
       r.rolsuper AS superuser,
       r.rolsuper OR pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS reads_all_stats,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS can_create_schema,
       EXISTS (SELECT FROM own_settings s
               WHERE s.name = 'default_transaction_read_only' AND s.reset_val = 'on') AS read_only,
       EXISTS (SELECT FROM own_settings s WHERE s.name = 'pg_stat_statements.max') AS statements_preloaded,
       (SELECT s.reset_val FROM own_settings s WHERE s.name = 'pg_stat_statements.track') AS track,
       (SELECT s.reset_val FROM own_settings s WHERE s.name = 'compute_query_id') AS query_id,
       e.extversion AS statements_version,
       n.nspname::text AS statements_schema,
       (SELECT a.default_version FROM available a WHERE a.name = 'pg_stat_statements') AS statements_available,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS statements_usable,
       (SELECT h.extversion FROM pg_catalog.pg_extension h WHERE h.extname = 'hypopg') AS hypopg_version,
       (SELECT a.default_version FROM available a WHERE a.name = 'hypopg') AS hypopg_available,
       EXISTS (SELECT FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace m ON m.oid = c.relnamespace
               WHERE m.nspname = %(metadata_schema)s AND c.relname = 'schema_version') AS has_metadata
FROM pg_catalog.pg_roles r
LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE r.rolname = current_user
