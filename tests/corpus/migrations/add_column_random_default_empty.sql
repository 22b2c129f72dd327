ALTER TABLE feature_flags ADD COLUMN bucket double precision DEFAULT random();
