INSERT INTO plans VALUES (6, 'plan-6', 'Plan 6', 60);
