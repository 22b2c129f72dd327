-- Rows to take parameters from: a sample of each table, so that parameters of one statement belong together and
-- big tenants come up as often as they would. Every column is text. "leaver" and "draft" are the only rows deleted.

-- step account
SELECT account_id::text AS id, a.slug FROM users JOIN accounts AS a ON a.id = account_id ORDER BY hashint8extended(users.id, 1) LIMIT 600;

-- step user
SELECT id::text, account_id::text, lower(email) AS email, email AS written FROM users ORDER BY hashint8extended(id, 2) LIMIT 600;

-- step session
SELECT token, user_id::text FROM sessions WHERE expires_at > '2026-07-01' ORDER BY hashint8extended(id, 3) LIMIT 600;

-- step company
SELECT id::text, account_id::text, '%' || substr(name, 3, 4) || '%' || right(id::text, 2) || '%' AS fragment
FROM companies ORDER BY hashint8extended(id, 4) LIMIT 600;

-- step contact
SELECT id::text, account_id::text, coalesce(company_id, 1)::text AS company_id, owner_id::text, lower(email) AS email, status,
       last_name, left(last_name, 5) || '%' AS prefix, coalesce('%' || right(phone, 5), '%99999') AS phone_end,
       coalesce('{' || tags[1] || '}', '{vip}') AS tag, jsonb_build_object('campaign', attributes -> 'campaign')::text AS campaign
FROM contacts WHERE id % 1000 <> 7 ORDER BY hashint8extended(id, 5) LIMIT 900;

-- step several
SELECT array_agg(id)::text AS contacts FROM (SELECT id, row_number() OVER (ORDER BY hashint8extended(id, 6)) AS place FROM contacts WHERE id % 1000 <> 7 LIMIT 3000) AS s GROUP BY place % 300 ORDER BY min(id);

-- step leaver
SELECT id::text FROM contacts WHERE id % 1000 = 7 ORDER BY hashint8extended(id, 7) LIMIT 300;

-- step deal
SELECT id::text, account_id::text, contact_id::text, coalesce(owner_id, 1)::text AS owner_id FROM deals
WHERE contact_id % 1000 <> 7 ORDER BY hashint8extended(id, 8) LIMIT 600;

-- step task
SELECT id::text, assignee_id::text FROM tasks WHERE NOT done ORDER BY hashint8extended(id, 9) LIMIT 600;

-- step ticket
SELECT id::text FROM tickets WHERE status <> 'solved' ORDER BY hashint8extended(id, 10) LIMIT 600;

-- step invoice
SELECT id::text, account_id::text, company_id::text FROM billing.invoices WHERE status <> 'draft' ORDER BY hashint8extended(id, 11) LIMIT 600;

-- step draft
SELECT id::text FROM billing.invoices WHERE status = 'draft' ORDER BY hashint8extended(id, 12) LIMIT 300;

-- step payment
SELECT reference FROM billing.payments ORDER BY hashint8extended(id, 13) LIMIT 300;

-- step document
SELECT account_id::text, (string_to_array(body, ' '))[3] AS word, substring(body FROM 'kx\d+') AS code
FROM documents WHERE body ~ 'kx\d' ORDER BY hashint8extended(id, 14) LIMIT 400;

-- step period
SELECT (timestamptz '2026-06-30 00:00:00+00' - back * interval '1 day')::text AS start,
       (timestamptz '2026-06-30 00:00:00+00' - back * interval '1 day' + length * interval '1 day')::text AS finish
FROM generate_series(7, 180, 9) AS back, unnest(ARRAY[1, 7]) AS length;
