-- What the application does. Each step: name, calls in a whole replay, then where each parameter comes from:
-- pool.column, ago(days), day(days), one(words), int(low,high), serial, hex, period.start. Pools are in pools.sql.

-- step user_login 70 user.email
SELECT id, account_id, role FROM users WHERE lower(email) = $1 AND status = 'active';

-- step session_by_token 500 session.token
SELECT s.id, s.user_id, u.account_id, u.role FROM sessions AS s JOIN users AS u ON u.id = s.user_id WHERE s.token = $1 AND s.expires_at > '2026-06-30';

-- step user_by_id 200 user.id
SELECT * FROM users WHERE id = $1;

-- step account_by_slug 100 account.slug
SELECT * FROM accounts WHERE slug = $1 AND deleted_at IS NULL;

-- step user_directory 60 account.id
SELECT id, name, email, role FROM users WHERE account_id = $1 AND status = 'active' ORDER BY name LIMIT 50;

-- step paying_accounts 10
SELECT region, count(*), sum(seats) FROM accounts WHERE plan IN ('business', 'enterprise') AND deleted_at IS NULL GROUP BY region;

-- step contact_list 120 contact.account_id contact.status
SELECT id, first_name, last_name, email, score FROM contacts WHERE account_id = $1 AND status = $2 AND deleted_at IS NULL ORDER BY created_at DESC LIMIT 50;

-- step contact_by_email 80 contact.account_id contact.email
SELECT id, first_name, last_name, status FROM contacts WHERE account_id = $1 AND lower(email) = $2 AND deleted_at IS NULL;

-- step contacts_by_id 150 several.contacts
SELECT id, first_name, last_name, email FROM contacts WHERE id = ANY($1::bigint[]);

-- step contacts_of_company 32 contact.company_id
SELECT id, first_name, last_name, email FROM contacts WHERE company_id = $1 AND deleted_at IS NULL ORDER BY last_name, first_name;

-- step contacts_with_tag 17 contact.tag
SELECT id, account_id, email FROM contacts WHERE tags && $1::text[] AND deleted_at IS NULL;

-- step contacts_of_campaign 17 contact.campaign
SELECT id, account_id, email, attributes FROM contacts WHERE attributes @> $1::jsonb;

-- step contacts_to_erase 8
SELECT id, account_id FROM contacts WHERE attributes @> '{"gdpr": "erase"}' ORDER BY id LIMIT 100;

-- step contact_autocomplete 90 contact.prefix contact.account_id
SELECT id, first_name, last_name FROM contacts WHERE last_name LIKE $1 AND account_id = $2 AND deleted_at IS NULL ORDER BY last_name LIMIT 10;

-- step contact_by_phone 12 contact.phone_end
SELECT id, account_id, first_name, last_name FROM contacts WHERE phone LIKE $1;

-- step best_contacts 60 contact.account_id
SELECT id, first_name, last_name, score FROM contacts WHERE account_id = $1 AND deleted_at IS NULL ORDER BY score DESC, id LIMIT 20;

-- step company_search 25 company.fragment
SELECT id, name, domain FROM companies WHERE name ILIKE $1 LIMIT 20;

-- step companies_by_industry 40 account.id one(software,retail,health,mining) one(DE,US,JP)
SELECT id, name, employees FROM companies WHERE account_id = $1 AND industry = $2 AND country = $3 ORDER BY employees DESC LIMIT 25;

-- step deals_of_company 80 contact.company_id
SELECT d.id, d.title, d.stage, d.amount, c.last_name FROM deals AS d JOIN contacts AS c ON c.id = d.contact_id WHERE d.company_id = $1 ORDER BY d.created_at DESC;

-- step deals_in_negotiation 60 account.id
SELECT id, title, amount, expected_on FROM deals WHERE account_id = $1 AND stage = 'negotiation' ORDER BY amount DESC LIMIT 20;

-- step deals_won 60 deal.owner_id period.start
SELECT count(*), sum(amount) FROM deals WHERE owner_id = $1 AND closed_at >= $2 AND stage = 'won';

-- step pipeline 40 account.id
SELECT stage, count(*), sum(amount) FROM deals WHERE account_id = $1 GROUP BY stage;

-- step open_tasks 100 task.assignee_id
SELECT id, title, due_on, deal_id FROM tasks WHERE assignee_id = $1 AND NOT done ORDER BY due_on LIMIT 20;

-- step late_tasks 10 day(7)
SELECT account_id, count(*) FROM tasks WHERE NOT done AND due_on < $1 GROUP BY account_id ORDER BY 2 DESC LIMIT 20;

-- step escalated_tickets 80
SELECT id, account_id, subject, priority FROM tickets WHERE status = 'escalated' ORDER BY priority, created_at LIMIT 50;

-- step ticket_list 80 account.id
SELECT id, subject, priority, status, created_at FROM tickets WHERE account_id = $1 AND status IN ('open', 'waiting') ORDER BY created_at DESC LIMIT 25;

-- step tickets_of_contact 100 contact.id
SELECT id, subject, status, created_at FROM tickets WHERE contact_id = $1 ORDER BY created_at DESC;

-- step tickets_of_day 12 day(90)
SELECT status, count(*) FROM tickets WHERE created_at::date = $1 GROUP BY status;

-- step document_search 36 document.account_id document.code
SELECT id, title, ts_rank(search, query) AS rank FROM documents, websearch_to_tsquery('english', $2) AS query WHERE account_id = $1 AND search @@ query ORDER BY rank DESC LIMIT 20;

-- step document_search_everywhere 20 document.code
SELECT id, account_id, title FROM documents WHERE search @@ plainto_tsquery('english', $1) LIMIT 50;

-- step invoice_with_lines 32 invoice.id
SELECT i.number, i.total, l.position, l.product, l.quantity, l.price FROM billing.invoices AS i JOIN billing.invoice_lines AS l ON l.invoice_id = i.id WHERE i.id = $1 ORDER BY l.position;

-- step invoices_of_account 60 invoice.account_id period.start period.finish
SELECT id, number, total, status FROM billing.invoices WHERE account_id = $1 AND issued_on BETWEEN $2::timestamptz::date AND $3::timestamptz::date ORDER BY issued_on DESC LIMIT 50;

-- step overdue_invoices 25
SELECT id, account_id, number, total, due_on FROM billing.invoices WHERE status = 'overdue' AND due_on < '2026-06-15' ORDER BY due_on;

-- step invoices_of_company 50 invoice.company_id
SELECT id, number, status, total FROM billing.invoices WHERE company_id = $1 ORDER BY issued_on DESC LIMIT 12;

-- step payment_by_reference 60 payment.reference
SELECT id, invoice_id, amount, received_at FROM billing.payments WHERE reference = $1;

-- step payments_of_invoice 50 invoice.id
SELECT id, method, amount FROM billing.payments WHERE invoice_id = $1;

-- step best_products 8 invoice.account_id
SELECT l.product, sum(l.quantity * l.price) AS turnover FROM billing.invoice_lines AS l JOIN billing.invoices AS i ON i.id = l.invoice_id WHERE i.account_id = $1 AND i.issued_on >= '2026-04-01' GROUP BY l.product ORDER BY turnover DESC LIMIT 10;

-- step timeline_of_account 42 account.id
SELECT id, kind, occurred_at, contact_id, payload FROM events WHERE account_id = $1 ORDER BY occurred_at DESC LIMIT 50;

-- step timeline_of_contact 12 contact.id
SELECT id, kind, occurred_at, payload FROM events WHERE contact_id = $1 ORDER BY occurred_at DESC LIMIT 20;

-- step events_of_account_by_kind 24 account.id one(call_logged,form_submitted,email_sent) period.start
SELECT count(*) FROM events WHERE account_id = $1 AND kind = $2 AND occurred_at >= $3;

-- step events_per_day 5 period.start period.finish
SELECT date_trunc('day', occurred_at) AS day, kind, count(*) FROM events WHERE occurred_at >= $1 AND occurred_at < $2 GROUP BY day, kind ORDER BY day, kind;

-- step failed_payments 6 period.start
SELECT id, account_id, occurred_at, payload FROM events WHERE kind = 'payment_failed' AND occurred_at >= $1 ORDER BY occurred_at DESC LIMIT 100;

-- step failed_webhooks 80 account.id
SELECT "Id", "Endpoint", "ResponseCode", "CreatedAt" FROM "WebhookDeliveries" WHERE "AccountId" = $1 AND "ResponseCode" >= 400 ORDER BY "CreatedAt" DESC LIMIT 20;

-- step event_add 1500 contact.account_id contact.owner_id contact.id one(email_opened,page_viewed,email_sent) ago(1)
INSERT INTO events (account_id, user_id, contact_id, kind, occurred_at, payload) VALUES ($1, $2, $3, $4, $5, '{"ip": "10.0.0.1", "ms": 12}');

-- step session_seen 500 ago(1) session.token
UPDATE sessions SET last_seen_at = $1 WHERE token = $2;

-- step session_add 60 user.id hex ago(1)
INSERT INTO sessions (user_id, token, ip, last_seen_at, expires_at) VALUES ($1, $2, '10.0.0.2', $3, '2026-08-30');

-- step sessions_expire 4 ago(6)
DELETE FROM sessions WHERE expires_at < $1;

-- step user_seen 120 ago(1) user.id
UPDATE users SET last_login_at = $1 WHERE id = $2;

-- step contact_add 60 contact.account_id contact.company_id contact.owner_id contact.last_name hex ago(1)
INSERT INTO contacts (account_id, company_id, owner_id, first_name, last_name, email, created_at, updated_at) VALUES ($1, $2, $3, 'Nova', $4, $5 || '@new.example', $6, $6);

-- step contact_score 120 int(1,9) ago(1) contact.id
UPDATE contacts SET score = least(100, score + $1), updated_at = $2 WHERE id = $3;

-- step contact_hide 20 ago(1) contact.id
UPDATE contacts SET deleted_at = $1 WHERE id = $2;

-- step contact_delete 6 leaver.id
DELETE FROM contacts WHERE id = $1;

-- step deal_stage 80 one(new,qualified,proposal,negotiation) deal.id
UPDATE deals SET stage = $1 WHERE id = $2;

-- step deal_add 40 deal.account_id deal.contact_id deal.owner_id serial ago(1)
INSERT INTO deals (account_id, contact_id, owner_id, title, amount, created_at) VALUES ($1, $2, $3, 'Deal ' || $4::text, 990, $5);

-- step task_done 60 task.id
UPDATE tasks SET done = true WHERE id = $1;

-- step task_add 60 deal.account_id deal.id deal.owner_id day(1) ago(1)
INSERT INTO tasks (account_id, deal_id, assignee_id, title, due_on, created_at) VALUES ($1, $2, $3, 'Call back', $4, $5);

-- step ticket_add 40 contact.account_id contact.id ago(1)
INSERT INTO tickets (account_id, contact_id, subject, created_at) VALUES ($1, $2, 'Cannot log in', $3);

-- step ticket_solve 40 ago(1) ticket.id
UPDATE tickets SET status = 'solved', solved_at = $1 WHERE id = $2;

-- step invoice_add 40 invoice.account_id invoice.company_id serial day(3)
INSERT INTO billing.invoices (account_id, company_id, number, total, issued_on, due_on) VALUES ($1, $2, 'NEW-' || $3::text, 119, $4, $4::date + 30);

-- step line_add 120 invoice.id int(1,4) int(1,9)
INSERT INTO billing.invoice_lines (invoice_id, position, product, quantity, price) VALUES ($1, $2, 'SKU-00042', $3, 29.9);

-- step payment_add 40 invoice.id hex ago(1)
INSERT INTO billing.payments (invoice_id, method, reference, amount, received_at) VALUES ($1, 'card', $2, 119, $3);

-- step invoice_paid 40 ago(1) invoice.id
UPDATE billing.invoices SET status = 'paid', paid_at = $1 WHERE id = $2;

-- step invoice_discard 12 draft.id
DELETE FROM billing.invoices WHERE id = $1 AND status = 'draft';

-- step webhook_add 150 account.id int(1,900) one(200,200,200,500) ago(1)
INSERT INTO "WebhookDeliveries" ("AccountId", "Endpoint", "ResponseCode", "CreatedAt") VALUES ($1, 'https://hooks.example/' || $2::text, $3, $4);
