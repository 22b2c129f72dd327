-- Statistics and visibility maps, the biggest table first.

-- step events
VACUUM (ANALYZE) events;

-- step webhooks
VACUUM (ANALYZE) "WebhookDeliveries";

-- step payments
VACUUM (ANALYZE) billing.payments;

-- step invoice_lines
VACUUM (ANALYZE) billing.invoice_lines;

-- step invoices
VACUUM (ANALYZE) billing.invoices;

-- step documents
VACUUM (ANALYZE) documents;

-- step tickets
VACUUM (ANALYZE) tickets;

-- step tasks
VACUUM (ANALYZE) tasks;

-- step deals
VACUUM (ANALYZE) deals;

-- step contacts
VACUUM (ANALYZE) contacts;

-- step companies
VACUUM (ANALYZE) companies;

-- step sessions
VACUUM (ANALYZE) sessions;

-- step users
VACUUM (ANALYZE) users;

-- step accounts
VACUUM (ANALYZE) accounts;
