DELETE FROM {schema}.runtime_switch WHERE name LIKE 'emergency:%%' AND name <> %(name)s
