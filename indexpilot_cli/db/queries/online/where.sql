SELECT (SELECT a.attname::text FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum = %(attnum)s::int AND NOT a.attisdropped) AS original,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.convalidated) AS valid,
       ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k
             WHERE k.conrelid = c.oid AND NOT k.convalidated) AS unvalidated,
       ARRAY(SELECT n.nspname || '.' || r.relname || '.' || k.conname FROM pg_catalog.pg_constraint k
             JOIN pg_catalog.pg_class r ON r.oid = k.conrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
             WHERE k.confrelid = c.oid AND k.contype = 'f') AS inbound,
       ARRAY(SELECT n.nspname || '.' || r.relname || '.' || k.conname FROM pg_catalog.pg_constraint k
             JOIN pg_catalog.pg_class r ON r.oid = k.conrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
             WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.convalidated) AS inbound_valid,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull) AS not_null,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND pg_catalog.col_description(a.attrelid, a.attnum) = %(tag)s) AS tagged,
       ARRAY(SELECT n.nspname || '.' || s.stxname FROM pg_catalog.pg_statistic_ext s
             JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = c.oid) AS statistics,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t
               WHERE t.tgrelid = c.oid AND t.tgname = %(trigger)s AND t.tgenabled = 'A') AS following
FROM pg_catalog.pg_class c
WHERE c.oid = %(relid)s::oid
