SELECT a.attnum AS number,
       a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
            THEN pg_catalog.quote_ident(ln.nspname) || '.' || pg_catalog.quote_ident(l.collname) END AS collation,
       a.attnotnull AS not_null,
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS default_text,
       CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS generation,
       a.attidentity::text AS identity,
       a.attgenerated::text AS generated,
       CASE WHEN a.attstorage <> t.typstorage
            THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                   WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END AS storage,
       CASE to_jsonb(a) ->> 'attcompression' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
       CASE WHEN coalesce(a.attstattarget, -1) >= 0 THEN a.attstattarget::int END AS target,
       ARRAY(SELECT o FROM unnest(a.attoptions) o WHERE o !~ '^pg_attver=')::text[] AS options,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment,
       a.attislocal AS is_local,
       a.attinhcount::int AS inherited,
       (SELECT jsonb_agg(jsonb_build_object(
                   'grantee', CASE x.grantee WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee) END,
                   'grantor', pg_catalog.pg_get_userbyid(x.grantor),
                   'privilege', x.privilege_type, 'grantable', x.is_grantable) ORDER BY x.ordinality)
        FROM pg_catalog.aclexplode(a.attacl) WITH ORDINALITY x) AS grants
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(relid)s::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
