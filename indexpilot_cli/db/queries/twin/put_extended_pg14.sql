UPDATE pg_statistic_ext_data
SET stxdndistinct = %(distinct)s::bytea::pg_ndistinct,
    stxddependencies = %(dependencies)s::bytea::pg_dependencies,
    stxdmcv = %(mcv)s::bytea::pg_mcv_list,
    stxdexpr = (SELECT array_agg(s ORDER BY s.staattnum) FROM pg_statistic s WHERE s.starelid = %(scratch)s)
WHERE stxoid = %(oid)s
