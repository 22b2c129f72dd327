SELECT NULL::text AS schema, NULL::text AS name, false AS inherited
WHERE false
