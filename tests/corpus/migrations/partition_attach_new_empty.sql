CREATE TABLE readings_centre (LIKE readings INCLUDING ALL);
ALTER TABLE readings ATTACH PARTITION readings_centre FOR VALUES IN ('centre');
