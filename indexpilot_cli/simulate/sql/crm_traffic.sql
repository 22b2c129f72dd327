-- What the tenants of the simulated CRM send. Behind the name: table, field and kind of the row in query_stats.

-- step lookup_email contacts email READ
SELECT id, full_name, email, phone, organization_id FROM contacts WHERE tenant_id = $1 AND email = $2;

-- step lookup_phone contacts phone READ
SELECT id, full_name, email, phone, organization_id FROM contacts WHERE tenant_id = $1 AND phone = $2;

-- step lookup_industry organizations industry READ
SELECT o.id, o.name, count(c.id) AS contacts
FROM organizations o JOIN contacts c ON c.organization_id = o.id AND c.tenant_id = o.tenant_id
WHERE o.tenant_id = $1 AND o.industry = $2
GROUP BY o.id, o.name ORDER BY contacts DESC LIMIT 25;

-- step timeline interactions contact_id READ
SELECT id, kind, occurred_at, notes FROM interactions
WHERE tenant_id = $1 AND contact_id = $2 ORDER BY occurred_at DESC LIMIT 20;

-- step recent_interactions interactions occurred_at READ
SELECT id, contact_id, kind, occurred_at FROM interactions
WHERE tenant_id = $1 AND occurred_at >= $2 ORDER BY occurred_at DESC LIMIT 50;

-- step log_interaction interactions contact_id WRITE
INSERT INTO interactions (tenant_id, contact_id, kind, occurred_at, notes) VALUES ($1, $2, $3, $4, $5);

-- step touch_contact contacts phone WRITE
UPDATE contacts SET phone = $3 WHERE tenant_id = $1 AND id = $2;

-- step add_contact contacts email WRITE
INSERT INTO contacts (tenant_id, full_name, email, phone, created_at) VALUES ($1, $2, $3, $4, $5);
