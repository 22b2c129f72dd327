SELECT l.relation::bigint AS oid
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
WHERE l.locktype = 'relation'
  AND l.pid = pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND c.relkind IN ('r', 'm', 'p')
  AND c.oid >= 16384
