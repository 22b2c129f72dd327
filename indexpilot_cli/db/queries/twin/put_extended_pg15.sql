INSERT INTO pg_statistic_ext_data (stxoid, stxdinherit, stxdndistinct, stxddependencies, stxdmcv, stxdexpr)
SELECT %(oid)s::oid,
       %(inherited)s,
       %(distinct)s::bytea::pg_ndistinct,
       %(dependencies)s::bytea::pg_dependencies,
       %(mcv)s::bytea::pg_mcv_list,
       (SELECT array_agg(s ORDER BY s.staattnum) FROM pg_statistic s WHERE s.starelid = %(scratch)s)
