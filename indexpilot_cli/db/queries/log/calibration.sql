SELECT document FROM {schema}.calibrations ORDER BY id DESC LIMIT 1
