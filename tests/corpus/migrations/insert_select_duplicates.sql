INSERT INTO feature_flags (name) SELECT state FROM orders WHERE id < 100;
