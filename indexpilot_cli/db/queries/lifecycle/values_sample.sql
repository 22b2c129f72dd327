SELECT {columns} FROM ONLY {table} {sample} WHERE {condition} LIMIT {limit}
