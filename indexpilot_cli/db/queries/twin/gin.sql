SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       g.n_pending_pages AS pending,
       g.n_total_pages AS total,
       g.n_entry_pages AS entry,
       g.n_data_pages AS data,
       g.n_entries AS entries
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_am am ON am.oid = c.relam AND am.amname = 'gin'
CROSS JOIN LATERAL {info}({page}(c.oid::regclass::text, 0)) AS g
WHERE c.relkind = 'i' AND c.relpersistence <> 't'
