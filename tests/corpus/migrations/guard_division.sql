SELECT 1 / count(*) FROM plans;
