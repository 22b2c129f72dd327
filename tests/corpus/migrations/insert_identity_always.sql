INSERT INTO accounts (id, tenant_id, email) VALUES (1000000, 1, 'x@example.org');
