-- Keys, and the indexes somebody once thought useful. Steps of one table stay in order; tables go in parallel.

-- step accounts
ALTER TABLE accounts ADD PRIMARY KEY (id), ADD CONSTRAINT accounts_slug_key UNIQUE (slug);
SELECT setval(pg_get_serial_sequence('accounts', 'id'), max(id)) FROM accounts;

-- step users
ALTER TABLE users ADD PRIMARY KEY (id), ADD CONSTRAINT users_account_id_email_key UNIQUE (account_id, email);
-- a prefix of the unique constraint
CREATE INDEX users_account_id_idx ON users (account_id);
SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users;

-- step sessions
ALTER TABLE sessions ADD PRIMARY KEY (id), ADD CONSTRAINT sessions_token_key UNIQUE (token);
SELECT setval(pg_get_serial_sequence('sessions', 'id'), max(id)) FROM sessions;

-- step companies
ALTER TABLE companies ADD PRIMARY KEY (id);
CREATE INDEX companies_account_id_idx ON companies (account_id);
SELECT setval(pg_get_serial_sequence('companies', 'id'), max(id)) FROM companies;

-- step contacts
ALTER TABLE contacts ADD PRIMARY KEY (id);
CREATE INDEX contacts_account_id_idx ON contacts (account_id);
-- the same once more, from a migration that ran twice under two names
CREATE INDEX index_contacts_on_account_id ON contacts (account_id);
SELECT setval(pg_get_serial_sequence('contacts', 'id'), max(id)) FROM contacts;

-- step deals
ALTER TABLE deals ADD PRIMARY KEY (id);
CREATE INDEX deals_account_id_idx ON deals (account_id);
-- four values
CREATE INDEX deals_currency_idx ON deals (currency);
SELECT setval(pg_get_serial_sequence('deals', 'id'), max(id)) FROM deals;

-- step tasks
ALTER TABLE tasks ADD PRIMARY KEY (id);
SELECT setval(pg_get_serial_sequence('tasks', 'id'), max(id)) FROM tasks;

-- step tickets
ALTER TABLE tickets ADD PRIMARY KEY (id);
CREATE INDEX tickets_account_id_idx ON tickets (account_id);
SELECT setval(pg_get_serial_sequence('tickets', 'id'), max(id)) FROM tickets;

-- step documents
ALTER TABLE documents ADD PRIMARY KEY (id);
SELECT setval(pg_get_serial_sequence('documents', 'id'), max(id)) FROM documents;

-- step invoices
ALTER TABLE billing.invoices ADD PRIMARY KEY (id), ADD CONSTRAINT invoices_account_id_number_key UNIQUE (account_id, number);
SELECT setval(pg_get_serial_sequence('billing.invoices', 'id'), max(id)) FROM billing.invoices;

-- step invoice_lines
ALTER TABLE billing.invoice_lines ADD PRIMARY KEY (id);
SELECT setval(pg_get_serial_sequence('billing.invoice_lines', 'id'), max(id)) FROM billing.invoice_lines;

-- step payments
ALTER TABLE billing.payments ADD PRIMARY KEY (id);
SELECT setval(pg_get_serial_sequence('billing.payments', 'id'), max(id)) FROM billing.payments;

-- step webhooks
ALTER TABLE "WebhookDeliveries" ADD CONSTRAINT "PK_WebhookDeliveries" PRIMARY KEY ("Id");
SELECT setval(pg_get_serial_sequence('"WebhookDeliveries"', 'Id'), max("Id")) FROM "WebhookDeliveries";

-- step events
ALTER TABLE events ADD PRIMARY KEY (id);
CREATE INDEX events_account_id_idx ON events (account_id);
SELECT setval(pg_get_serial_sequence('events', 'id'), max(id)) FROM events;
