ALTER TABLE readings ADD CONSTRAINT value_known CHECK (value IS NOT NULL);
