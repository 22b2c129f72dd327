SELECT c.castmethod::text AS method, c.castcontext::text AS context
FROM pg_catalog.pg_cast c
WHERE c.castsource = %(source)s::oid AND c.casttarget = %(target)s::oid
