SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s) AS schema_exists,
       EXISTS (
           SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
           WHERE n.nspname = %(schema)s AND c.relname = 'schema_version' AND c.relkind = 'r'
       ) AS has_versions
