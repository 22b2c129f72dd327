SELECT p.pubname::text AS name, NULL::text[] AS columns
FROM pg_catalog.pg_publication_rel r
JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
WHERE r.prrelid = %(relid)s::oid
ORDER BY p.pubname
