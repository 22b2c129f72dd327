INSERT INTO tenants (name, plan_id) VALUES ('New', 4);
