UPDATE pg_class c
SET relfilenode = g.node,
    relpages = coalesce(g.pages, c.relpages),
    reltuples = coalesce(g.tuples, c.reltuples),
    relallvisible = coalesce(g.all_visible, c.relallvisible)
FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (oid oid, node oid, pages integer, tuples real, all_visible integer)
WHERE c.oid = g.oid
