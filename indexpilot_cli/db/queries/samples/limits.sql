-- With row_security off a policy that would hide rows is an error instead: what our role may not see is not sampled.
SELECT pg_catalog.set_config('row_security', 'off', true) AS policies,
       pg_catalog.set_config('statement_timeout', '2s', true) AS statement,
       pg_catalog.set_config('lock_timeout', '100ms', true) AS lock
