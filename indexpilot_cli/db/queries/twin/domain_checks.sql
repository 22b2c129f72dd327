SELECT t.oid::regtype::text AS domain,
       quote_ident(k.conname) AS name,
       pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k
JOIN pg_type t ON t.oid = k.contypid
WHERE k.contype = 'c'
  AND pg_has_role(t.typowner, 'USAGE')
ORDER BY k.oid
