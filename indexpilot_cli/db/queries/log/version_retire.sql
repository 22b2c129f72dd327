UPDATE {schema}.index_versions SET is_current = false
WHERE schema_name = %(schema_name)s AND index_name = %(index_name)s AND is_current
