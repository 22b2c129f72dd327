DELETE FROM tenants WHERE country IS NULL;
