SELECT x.extname::text AS name,
       -- The column came with 13.
       coalesce((SELECT (pg_catalog.to_jsonb(v) OPERATOR(pg_catalog.->>) 'trusted')::pg_catalog.bool
                 FROM pg_catalog.pg_available_extension_versions v
                 WHERE v.name OPERATOR(pg_catalog.=) x.extname AND v.version OPERATOR(pg_catalog.=) x.extversion), false)
           AS trusted,
       ARRAY(SELECT p.oid::pg_catalog.regprocedure::text
             FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
             WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
               AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
               AND d.refobjid OPERATOR(pg_catalog.=) x.oid AND d.deptype OPERATOR(pg_catalog.=) 'e') AS functions,
       ARRAY(SELECT w.fdwname::text
             FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) d.objid
             WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass
               AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
               AND d.refobjid OPERATOR(pg_catalog.=) x.oid AND d.deptype OPERATOR(pg_catalog.=) 'e') AS wrappers
FROM pg_catalog.pg_extension x
