SELECT available.name, extension.extversion AS installed, available.default_version AS available,
       namespace.nspname AS schema
FROM pg_catalog.pg_available_extensions available
LEFT JOIN pg_catalog.pg_extension extension ON extension.extname = available.name
LEFT JOIN pg_catalog.pg_namespace namespace ON namespace.oid = extension.extnamespace
WHERE available.name = 'hypopg'
