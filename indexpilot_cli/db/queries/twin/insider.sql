SELECT has_table_privilege('pg_catalog.pg_statistic', 'SELECT') AS reads_statistics,
       (SELECT n.nspname::text
        FROM pg_extension e
        JOIN pg_namespace n ON n.oid = e.extnamespace
        JOIN pg_roles r ON r.rolname = current_user
        WHERE e.extname = 'pageinspect' AND r.rolsuper) AS pageinspect
