VACUUM FULL tenants;
