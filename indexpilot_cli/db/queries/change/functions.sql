WITH words AS (
    SELECT '(^|[^[:alnum:]_$])' || regexp_replace(%(column)s::text, '([^[:alnum:]_])', '\\\1', 'g')
               || '($|[^[:alnum:]_$])' AS a_column,
           '(^|[^[:alnum:]_$])' || regexp_replace(%(table)s::text, '([^[:alnum:]_])', '\\\1', 'g')
               || '($|[^[:alnum:]_$])' AS a_table
)
SELECT n.nspname::text AS schema,
       p.proname::text AS name,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
       l.lanname::text AS language,
       p.prosrc AS body,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgfoid = p.oid AND t.tgrelid = %(relid)s::oid) AS is_trigger
FROM words, pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('internal', 'c')
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %(own)s)
  AND to_jsonb(p) ->> 'prosqlbody' IS NULL
  AND p.prosrc ~* words.a_column
  AND (p.prosrc ~* words.a_table
       OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgfoid = p.oid AND t.tgrelid = %(relid)s::oid))
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY n.nspname, p.proname
LIMIT 500
