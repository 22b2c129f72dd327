INSERT INTO feature_flags (name) SELECT DISTINCT state FROM orders WHERE id < 100;
