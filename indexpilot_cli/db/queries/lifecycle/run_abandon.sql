-- Only the session that holds the job's lock asks this: whoever wrote RUNNING is gone.
UPDATE {schema}.lifecycle_runs r
SET state = 'DIED', finished_at = clock_timestamp(), error = %(error)s
WHERE r.job = %(job)s AND r.tenant_id IS NOT DISTINCT FROM %(tenant)s AND r.state = 'RUNNING'
RETURNING r.id
