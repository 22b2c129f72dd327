SELECT count(*) AS rows, {counts}
FROM {table} AS t {sample}
GROUP BY t.tableoid, (t.ctid::text::point)[0]
