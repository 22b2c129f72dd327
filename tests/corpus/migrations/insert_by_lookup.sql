INSERT INTO tenants (name, plan_id) VALUES ('New', (SELECT id FROM plans WHERE code = 'plan-3'));
