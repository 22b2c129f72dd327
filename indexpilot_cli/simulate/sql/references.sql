-- Foreign keys, none of which brings an index of its own on the referencing side.

-- step users
ALTER TABLE users ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
ALTER TABLE sessions ADD FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE companies ADD FOREIGN KEY (account_id) REFERENCES accounts (id);

-- step contacts
ALTER TABLE contacts ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
ALTER TABLE contacts ADD FOREIGN KEY (company_id) REFERENCES companies (id) ON DELETE SET NULL;

-- step deals
ALTER TABLE deals ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
ALTER TABLE deals ADD FOREIGN KEY (contact_id) REFERENCES contacts (id) ON DELETE CASCADE;
ALTER TABLE tasks ADD FOREIGN KEY (deal_id) REFERENCES deals (id) ON DELETE CASCADE;
ALTER TABLE tickets ADD FOREIGN KEY (contact_id) REFERENCES contacts (id) ON DELETE CASCADE;

-- step documents
ALTER TABLE documents ADD FOREIGN KEY (author_id) REFERENCES users (id);

-- step billing
ALTER TABLE billing.invoices ADD FOREIGN KEY (company_id) REFERENCES companies (id);
ALTER TABLE billing.invoice_lines ADD FOREIGN KEY (invoice_id) REFERENCES billing.invoices (id) ON DELETE CASCADE;
ALTER TABLE billing.payments ADD FOREIGN KEY (invoice_id) REFERENCES billing.invoices (id) ON DELETE CASCADE;

-- step events
ALTER TABLE events ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
ALTER TABLE events ADD FOREIGN KEY (contact_id) REFERENCES contacts (id) ON DELETE SET NULL;
