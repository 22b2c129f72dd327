CREATE TABLE readings_centre PARTITION OF readings FOR VALUES IN ('centre');
