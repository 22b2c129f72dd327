-- The block of a tid by way of a point: tid has no cast to a number on any version.
SELECT t.tableoid::bigint AS part, (t.ctid::text::point)[0]::bigint AS block, {columns}
FROM {table} AS t {sample}
ORDER BY t.tableoid, t.ctid
