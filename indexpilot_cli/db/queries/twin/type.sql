SELECT t.oid::bigint AS oid,
       format_type(t.oid, NULL) AS name,
       t.typname::text AS short,
       t.typlen::int AS length,
       t.typbyval AS by_value,
       t.typtype::text AS kind,
       t.typsend::oid::regproc::text AS send
FROM pg_type t
WHERE t.oid = %(oid)s
