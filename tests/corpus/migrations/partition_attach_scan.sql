ALTER TABLE readings ATTACH PARTITION readings_east FOR VALUES IN ('east');
