DELETE FROM {schema}.lifecycle_runs r
WHERE r.started_at < clock_timestamp() - %(keep)s * interval '1 second'
  AND EXISTS (SELECT FROM {schema}.lifecycle_runs n
              WHERE n.job = r.job AND n.tenant_id IS NOT DISTINCT FROM r.tenant_id AND n.id > r.id AND n.state = 'DONE')
