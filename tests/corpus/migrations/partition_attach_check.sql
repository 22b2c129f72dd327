ALTER TABLE readings ATTACH PARTITION readings_west FOR VALUES IN ('west');
