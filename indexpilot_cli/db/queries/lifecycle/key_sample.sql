SELECT g.times, g.bytes, count(*) AS keys, max(g.widest) AS widest
FROM (SELECT count(*) AS times, round(avg({bytes}))::int AS bytes, max({widest}) AS widest
      FROM (SELECT {columns} FROM ONLY {table} {sample} WHERE {condition}) AS s
      GROUP BY {keys}) AS g
GROUP BY g.times, g.bytes
