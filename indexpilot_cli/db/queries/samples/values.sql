SELECT {columns}
FROM {table} AS t {sample}
