ALTER TABLE readings DETACH PARTITION readings_south;
