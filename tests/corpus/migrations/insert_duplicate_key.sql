INSERT INTO plans VALUES (5, 'plan-x', 'Plan X', 50);
