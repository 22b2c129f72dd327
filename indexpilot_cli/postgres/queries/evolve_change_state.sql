SELECT a.attnotnull AS not_null,
       EXISTS (SELECT FROM pg_catalog.pg_constraint o
               WHERE o.conrelid = a.attrelid AND o.conname = %(constraint)s) AS is_there,
       (SELECT o.convalidated FROM pg_catalog.pg_constraint o
        WHERE o.conrelid = a.attrelid AND o.conname = %(constraint)s LIMIT 1) AS valid
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = %(relid)s::oid AND a.attname = %(column)s AND NOT a.attisdropped
