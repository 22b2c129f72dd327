ALTER TABLE tenants ALTER COLUMN country TYPE text;
