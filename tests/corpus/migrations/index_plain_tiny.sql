CREATE INDEX tenants_plan_idx ON tenants (plan_id);
