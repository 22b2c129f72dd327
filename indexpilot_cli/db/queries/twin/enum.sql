SELECT e.enumlabel::text AS enumlabel, e.oid::bigint AS oid
FROM pg_enum e
WHERE e.enumtypid = %(oid)s
