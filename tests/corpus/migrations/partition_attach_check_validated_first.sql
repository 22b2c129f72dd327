ALTER TABLE readings_east ADD CONSTRAINT readings_east_site CHECK (site = 'east') NOT VALID;
ALTER TABLE readings_east VALIDATE CONSTRAINT readings_east_site;
CREATE INDEX CONCURRENTLY readings_east_at_idx ON readings_east (at);
ALTER TABLE readings ATTACH PARTITION readings_east FOR VALUES IN ('east');
