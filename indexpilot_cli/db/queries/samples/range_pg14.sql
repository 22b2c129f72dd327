-- A scan of these pages alone (Tid Range Scan), before version 14 there was none.
SELECT {start}::bigint AS start, {keys}
FROM ONLY {table} WHERE ctid >= {first}::tid AND ctid < {end}::tid
