CREATE TABLE readings_centre (site text NOT NULL, at timestamptz NOT NULL);
ALTER TABLE readings ATTACH PARTITION readings_centre FOR VALUES IN ('centre');
