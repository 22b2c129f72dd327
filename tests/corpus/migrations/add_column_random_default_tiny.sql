ALTER TABLE tenants ADD COLUMN bucket double precision DEFAULT random();
