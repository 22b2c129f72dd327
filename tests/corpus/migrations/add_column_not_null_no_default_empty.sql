ALTER TABLE feature_flags ADD COLUMN owner_id bigint NOT NULL;
