SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('default_transaction_read_only') = 'on'
       OR pg_catalog.current_setting('transaction_read_only') = 'on' AS read_only,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
       EXISTS (SELECT FROM pg_catalog.pg_language l
               WHERE l.lanname = 'plpgsql' AND pg_catalog.has_language_privilege(l.oid, 'USAGE')) AS has_plpgsql,
       current_user::text AS role,
       pg_catalog.current_database()::text AS database
