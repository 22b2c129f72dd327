-- Tables of which values are stored apart, or may be: what stays in its row is at most a quarter of a page
-- (TOAST_TUPLE_TARGET), unless the table or a column has a storage of its own.
-- https://www.postgresql.org/docs/current/storage-toast.html
SELECT EXISTS (
    SELECT FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS wanted (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
    WHERE c.reltoastrelid <> 0
      AND (
        pg_catalog.pg_relation_size(c.reltoastrelid) > 0
        OR array_to_string(c.reloptions, ',') LIKE '%%toast_tuple_target%%'
        OR EXISTS (
            SELECT FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> t.typstorage
        )
      )
) AS found
