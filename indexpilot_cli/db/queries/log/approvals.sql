SELECT plan_id, digest, approved_by, approved_at, reason
FROM {schema}.plan_approvals
WHERE plan_id = ANY (%(plan_ids)s)
ORDER BY approved_at DESC, id DESC
