UPDATE pg_class c
SET relpages = g.pages, reltuples = g.tuples, relallvisible = g.all_visible,
    relispopulated = c.relispopulated OR c.relkind = 'm'
FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (relation text, pages integer, tuples real, all_visible integer)
WHERE c.oid = to_regclass(g.relation)
