UPDATE {schema}.counter_snapshots SET kind = 'verified' WHERE id = %(id)s AND kind = 'verification' RETURNING id
