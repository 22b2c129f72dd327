-- Of every job the newest run, and when the newest one began that was carried out.
SELECT r.id, r.job, r.tenant_id, r.state, r.due_at, r.started_at, r.finished_at, r.actor, r.plan_id, r.error,
       r.details_json AS details,
       (SELECT max(d.started_at) FROM {schema}.lifecycle_runs d
        WHERE d.job = r.job AND d.tenant_id IS NOT DISTINCT FROM r.tenant_id AND d.state = 'DONE') AS done_at
FROM (SELECT DISTINCT ON (n.job, n.tenant_id) n.* FROM {schema}.lifecycle_runs n
      ORDER BY n.job, n.tenant_id, n.id DESC) AS r
ORDER BY r.job, r.tenant_id
