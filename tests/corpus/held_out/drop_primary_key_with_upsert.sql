ALTER TABLE feature_flags DROP CONSTRAINT feature_flags_pkey;
