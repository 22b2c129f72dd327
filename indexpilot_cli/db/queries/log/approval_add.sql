INSERT INTO {schema}.plan_approvals (plan_id, digest, approved_by, reason)
VALUES (%(plan_id)s, %(digest)s, %(approved_by)s, %(reason)s)
RETURNING plan_id, digest, approved_by, approved_at, reason
