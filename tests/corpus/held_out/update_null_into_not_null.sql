UPDATE tenants SET name = country || '-' || name;
