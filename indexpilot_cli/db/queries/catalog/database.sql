-- Our schema is not on the path: a role of its name ("$user") would find our tables where the application finds its own.
SELECT current_setting('server_version_num')::int AS version,
       d.datname::text AS name,
       pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
       d.datcollate::text AS collate,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       pg_catalog.array_remove(pg_catalog.current_schemas(false), %(metadata_schema)s)::text[] AS search_path,
       pg_catalog.pg_stat_get_db_stat_reset_time(d.oid) AS statistics_since,
       pg_catalog.now() AS taken_at
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
