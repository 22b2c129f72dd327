SELECT clock_timestamp() AS now,
       pg_catalog.pg_postmaster_start_time() AS started,
       pg_catalog.pg_stat_get_db_stat_reset_time(d.oid) AS counters_since,
       -- Recovery after a crash begins all counters anew and says so nowhere; this one never falls otherwise.
       pg_catalog.pg_stat_get_db_xact_commit(d.oid) AS commits,
       (SELECT s.system_identifier::text FROM pg_catalog.pg_control_system() AS s) AS cluster,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       d.oid::int8 AS database,
       (SELECT count(*) FROM pg_catalog.pg_stat_replication r
        WHERE r.state IS DISTINCT FROM 'backup'
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots l
                          WHERE l.active_pid = r.pid AND l.slot_type = 'logical')) AS standbys
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
