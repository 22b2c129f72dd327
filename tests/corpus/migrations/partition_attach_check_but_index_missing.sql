DROP INDEX readings_west_at_idx;
ALTER TABLE readings ATTACH PARTITION readings_west FOR VALUES IN ('west');
