SELECT i.n AS number, meta.level AS height
FROM pg_catalog.unnest(%(names)s::text[]) WITH ORDINALITY AS i (name, n)
CROSS JOIN LATERAL {bt_metap}(i.name) AS meta
