UPDATE pg_statistic_ext_data
SET stxdndistinct = %(distinct)s::bytea::pg_ndistinct,
    stxddependencies = %(dependencies)s::bytea::pg_dependencies,
    stxdmcv = %(mcv)s::bytea::pg_mcv_list
WHERE stxoid = %(oid)s
