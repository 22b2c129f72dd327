ALTER TABLE tenants DROP COLUMN country;
