SELECT obj_description(n.oid, 'pg_namespace') IS NOT DISTINCT FROM %(tag)s AS ours,
       EXISTS (SELECT FROM pg_depend AS d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid) AS occupied
FROM pg_namespace AS n
WHERE n.nspname = %(schema)s
