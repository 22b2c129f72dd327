WITH parent AS (INSERT INTO plans VALUES (6, 'plan-6', 'Plan 6', 60) RETURNING id)
UPDATE tenants SET plan_id = 1 WHERE id = 3 AND EXISTS (SELECT 1 FROM parent);
