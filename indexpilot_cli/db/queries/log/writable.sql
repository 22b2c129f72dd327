SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
   AND EXISTS (
       SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
       WHERE n.nspname = %(schema)s AND c.relname = 'schema_version' AND c.relkind = 'r'
   )
