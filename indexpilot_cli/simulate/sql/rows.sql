-- The rows of each table, generated on the server. Parents are drawn by dice and joined, so that every row of a
-- tenant hangs together; tenants inherit Zipf's skew from their users.

-- step accounts
INSERT INTO accounts (id, name, slug, plan, region, seats, settings, created_at, deleted_at)
SELECT i,
       demo.pick('{North,Blue,Silver,Rapid,Green,Prime,Open,Bright,Solid,Urban}', demo.roll(i, 1)) || ' '
           || demo.pick('{Logistics,Foods,Media,Energy,Health,Travel,Systems,Retail,Finance,Design}', demo.roll(i, 2)) || ' ' || i,
       'account-' || i,
       demo.pick('{free,free,free,free,team,team,team,business,business,enterprise}', demo.roll(i, 3)),
       demo.pick('{eu,eu,eu,us,us,apac}', demo.roll(i, 4)),
       demo.between(1, 80, demo.roll(i, 5)),
       jsonb_build_object('locale', demo.pick('{en,de,fr,es,pl}', demo.roll(i, 6)), 'sso', demo.roll(i, 7) < 0.1),
       demo.today() - interval '4 years' * (1 - i::float8 / demo.rows('accounts')) - interval '1 year',
       CASE WHEN demo.roll(i, 8) < 0.04 THEN demo.today() - interval '200 days' * demo.roll(i, 9) END
FROM generate_series(1, demo.rows('accounts')) AS i;

-- step users after accounts
INSERT INTO users (id, account_id, email, name, role, status, created_at, last_login_at)
SELECT id, account_id,
       CASE WHEN demo.roll(id, 13) < 0.3 THEN given || '.' || family ELSE lower(given || '.' || family) END || id || '@'
           || demo.pick('{example.com,example.org,mail.example,work.example}', demo.roll(id, 14)),
       given || ' ' || family,
       CASE WHEN demo.roll(id, 15) < 0.05 THEN 'owner' WHEN demo.roll(id, 15) < 0.15 THEN 'admin' ELSE 'member' END,
       CASE WHEN demo.roll(id, 16) < 0.02 THEN 'invited' WHEN demo.roll(id, 16) < 0.06 THEN 'suspended' ELSE 'active' END,
       demo.today() - interval '4 years' * (1 - id::float8 / total),
       CASE WHEN demo.roll(id, 17) < 0.9 THEN demo.today() - interval '90 days' * power(demo.roll(id, 18), 3) END
FROM (
    SELECT place * 1000003 % total + 1 AS id, account_id, total,
           demo.pick('{Ana,Ben,Clara,Daan,Elif,Femi,Greta,Hugo,Ines,Jonas,Kira,Liam,Mona,Nils,Olga,Paul,Rosa,Sami,Tara,Uwe}',
                     demo.roll(place, 11)) AS given,
           demo.pick('{Adler,Brandt,Costa,Diaz,Evans,Fischer,Garcia,Haas,Ivanov,Jensen,Kowalski,Lopez,Meyer,Nowak,Okafor,Petrov,Rossi,Silva,Tanaka,Weber}',
                     demo.roll(place, 12)) AS family
    FROM demo.shape CROSS JOIN generate_series(first, first + users - 1) AS place
) AS people
ORDER BY id;

-- step sessions after users
INSERT INTO sessions (id, user_id, token, ip, last_seen_at, expires_at)
SELECT i, demo.between(1, total, demo.roll(i, 21)), md5(i || 'session' || current_setting('demo.seed')),
       '10.0.0.0'::inet + demo.between(1, 16000000, demo.roll(i, 22)),
       demo.today() - interval '30 days' * power(demo.roll(i, 23), 3),
       demo.today() + interval '60 days' * (demo.roll(i, 24) - 0.1)
FROM generate_series(1, demo.rows('sessions')) AS i, (SELECT max(total) AS total FROM demo.shape) AS people;

-- step companies after users
INSERT INTO companies (id, account_id, owner_id, name, domain, industry, country, employees, created_at)
SELECT i, u.account_id, u.id, label || ' ' || i, lower(label) || i || '.example',
       demo.pick('{software,software,software,retail,retail,health,finance,education,energy,public,mining}', demo.roll(i, 33)),
       demo.pick('{DE,DE,DE,FR,FR,GB,US,US,PL,ES,IT,NL,SE,JP,BR}', demo.roll(i, 34)),
       floor(exp(9 * demo.roll(i, 35))),
       demo.today() - interval '3 years' * (1 - i::float8 / demo.rows('companies'))
FROM (
    SELECT i, demo.between(1, total, demo.roll(i, 31)) AS owner_id,
           demo.pick('{Acorn,Beacon,Cobalt,Delta,Ember,Falcon,Granite,Harbor,Iris,Juniper,Keystone,Lumen,Maple,Nimbus,Orchid,Pioneer}',
                     demo.roll(i, 32)) AS label
    FROM generate_series(1, demo.rows('companies')) AS i, (SELECT max(total) AS total FROM demo.shape) AS people
) AS draws
JOIN users AS u ON u.id = owner_id
ORDER BY i;

-- step contacts after companies
INSERT INTO contacts (id, account_id, company_id, owner_id, first_name, last_name, email, phone, status, score, tags,
                      attributes, created_at, updated_at, deleted_at)
SELECT i, c.account_id, CASE WHEN demo.roll(i, 42) < 0.92 THEN c.id END, c.owner_id, given, family,
       CASE WHEN demo.roll(i, 45) < 0.3 THEN given || '.' || family ELSE lower(given || '.' || family) END || i || '@' || c.domain,
       CASE WHEN demo.roll(i, 46) < 0.7 THEN '+49' || (1000000000 + demo.between(0, 899999999, demo.roll(i, 47))) END,
       CASE WHEN demo.roll(i, 48) < 0.62 THEN 'lead' WHEN demo.roll(i, 48) < 0.98 THEN 'customer'
            WHEN demo.roll(i, 48) < 0.995 THEN 'churned' ELSE 'blocked' END,
       floor(100 * power(demo.roll(i, 49), 2)),
       CASE WHEN demo.roll(i, 50) < 0.35 THEN '{}'
            ELSE ARRAY['tag-' || floor(exp(6.2 * demo.roll(i, 51))), 'tag-' || floor(exp(6.2 * demo.roll(i, 52)))] END
           || CASE WHEN demo.roll(i, 53) < 0.01 THEN '{vip}'::text[] ELSE '{}' END,
       jsonb_build_object('source', demo.pick('{web,web,web,fair,referral,import,import,partner}', demo.roll(i, 54)),
                          'language', demo.pick('{en,en,en,de,de,fr,es,pl}', demo.roll(i, 55)),
                          'campaign', 'c-' || demo.between(1, 1500, power(demo.roll(i, 56), 2)))
           || CASE WHEN demo.roll(i, 57) < 0.005 THEN '{"gdpr": "erase"}'::jsonb ELSE '{}' END,
       created, created + (demo.today() - created) * demo.roll(i, 58),
       CASE WHEN demo.roll(i, 59) < 0.05 THEN demo.today() - (demo.today() - created) * demo.roll(i, 60) END
FROM (
    SELECT i, demo.between(1, demo.rows('companies'), demo.roll(i, 41)) AS company_id,
           demo.pick('{Ada,Bela,Chen,Dora,Emil,Farah,Gus,Hana,Ivan,Jana,Karl,Lena,Marco,Nora,Otto,Pia,Quinn,Rita,Sven,Tess,Umar,Vera,Wim,Yara,Zeno}',
                     demo.roll(i, 43)) AS given,
           demo.pick('{Abel,Baker,Cruz,Dietrich,Engel,Flores,Gruber,Hansen,Ibrahim,Jung,Klein,Lang,Moreau,Novak,Olsen,Park,Quast,Richter,Santos,Torres,Urban,Vogel,Wagner,Young,Zimmer}',
                     demo.roll(i, 44)) || demo.pick('{"","","","",son,mann,berg,feld}', demo.roll(i, 61)) AS family,
           demo.today() - interval '3 years' * (1 - i::float8 / demo.rows('contacts')) AS created
    FROM generate_series(1, demo.rows('contacts')) AS i
) AS draws
JOIN companies AS c ON c.id = draws.company_id
ORDER BY i;

-- step deals after contacts
INSERT INTO deals (id, account_id, contact_id, company_id, owner_id, title, stage, amount, currency, created_at, expected_on, closed_at)
SELECT i, c.account_id, c.id, c.company_id, c.owner_id, 'Deal ' || i || ' with ' || c.last_name,
       stage, floor(exp(5 + 7 * demo.roll(i, 73))), demo.pick('{EUR,EUR,EUR,USD,USD,GBP,PLN}', demo.roll(i, 74)),
       created, (created + interval '60 days' * (0.2 + demo.roll(i, 75)))::date,
       CASE WHEN stage IN ('won', 'lost') THEN created + interval '50 days' * demo.roll(i, 76) END
FROM (
    SELECT i, demo.between(1, demo.rows('contacts'), demo.roll(i, 71)) AS contact_id,
           CASE WHEN demo.roll(i, 72) < 0.45 THEN 'won' WHEN demo.roll(i, 72) < 0.88 THEN 'lost' WHEN demo.roll(i, 72) < 0.93 THEN 'new'
                WHEN demo.roll(i, 72) < 0.97 THEN 'qualified' WHEN demo.roll(i, 72) < 0.993 THEN 'proposal' ELSE 'negotiation' END AS stage,
           demo.today() - interval '2 years' * (1 - i::float8 / demo.rows('deals')) AS created
    FROM generate_series(1, demo.rows('deals')) AS i
) AS draws
JOIN contacts AS c ON c.id = draws.contact_id
ORDER BY i;

-- step tasks after deals
INSERT INTO tasks (id, account_id, deal_id, assignee_id, title, due_on, done, created_at)
SELECT i, d.account_id, CASE WHEN demo.roll(i, 82) < 0.8 THEN d.id END, d.owner_id,
       demo.pick('{Call,Write to,Meet,Remind,Invoice,Visit}', demo.roll(i, 83)) || ' contact ' || d.contact_id,
       (created + interval '14 days' * demo.roll(i, 84))::date, demo.roll(i, 85) < 0.96, created
FROM (
    SELECT i, demo.between(1, demo.rows('deals'), demo.roll(i, 81)) AS deal_id,
           demo.today() - interval '2 years' * (1 - i::float8 / demo.rows('tasks')) AS created
    FROM generate_series(1, demo.rows('tasks')) AS i
) AS draws
JOIN deals AS d ON d.id = draws.deal_id
ORDER BY i;

-- step tickets after contacts
INSERT INTO tickets (id, account_id, contact_id, assignee_id, subject, status, priority, created_at, solved_at)
SELECT i, c.account_id, c.id, CASE WHEN demo.roll(i, 92) < 0.8 THEN c.owner_id END,
       demo.pick('{Cannot log in,Question about an invoice,Export fails,Please delete my data,Slow page,Wrong address,Feature request}', demo.roll(i, 93)),
       draws.status, 1 + floor(4 * sqrt(demo.roll(i, 95))), created,
       CASE WHEN draws.status = 'solved' THEN created + interval '6 days' * power(demo.roll(i, 96), 3) END
FROM (
    SELECT i, demo.between(1, demo.rows('contacts'), demo.roll(i, 91)) AS contact_id,
           CASE WHEN demo.roll(i, 94) < 0.955 THEN 'solved' WHEN demo.roll(i, 94) < 0.985 THEN 'open'
                WHEN demo.roll(i, 94) < 0.996 THEN 'waiting' ELSE 'escalated' END AS status,
           demo.today() - interval '1 year' * (1 - i::float8 / demo.rows('tickets')) AS created
    FROM generate_series(1, demo.rows('tickets')) AS i
) AS draws
JOIN contacts AS c ON c.id = draws.contact_id
ORDER BY i;

-- step documents after users
INSERT INTO documents (id, account_id, author_id, title, body, created_at)
SELECT i, u.account_id, u.id, demo.pick('{Contract,Offer,Minutes,Handbook,Report,Plan}', demo.roll(i, 102)) || ' ' || i, body,
       demo.today() - interval '2 years' * (1 - i::float8 / demo.rows('documents'))
FROM (
    SELECT i, (SELECT string_agg(
                   CASE WHEN demo.roll(i * 64 + w, 104) < 0.9
                        THEN demo.pick('{contract,renewal,customer,delivery,payment,discount,quarter,meeting,release,support,license,training,migration,security,privacy,insurance,warranty,schedule,forecast,pipeline,partner,supplier,shipping,harbour,warehouse,engine,sensor,battery,solar,turbine,audit,budget,salary,holiday,office,laptop,network,printer,coffee,garden}',
                                       power(demo.roll(i * 64 + w, 105), 2))
                        ELSE 'kx' || demo.between(1, 4000, demo.roll(i * 64 + w, 106)) END, ' ')
               FROM generate_series(1, 24) AS w) AS body,
           demo.between(1, total, demo.roll(i, 101)) AS author_id
    FROM generate_series(1, demo.rows('documents')) AS i, (SELECT max(total) AS total FROM demo.shape) AS people
) AS draws
JOIN users AS u ON u.id = author_id
ORDER BY i;

-- step invoices after companies
INSERT INTO billing.invoices (id, account_id, company_id, number, status, total, currency, issued_on, due_on, paid_at)
SELECT i, c.account_id, c.id, 'INV-' || lpad(i::text, 8, '0'), status, floor(exp(4 + 6 * demo.roll(i, 113))),
       demo.pick('{EUR,EUR,EUR,USD,USD,GBP,PLN}', demo.roll(i, 114)), issued::date, issued::date + 30,
       CASE WHEN status = 'paid' THEN issued + interval '40 days' * demo.roll(i, 115) END
FROM (
    SELECT i, demo.between(1, demo.rows('companies'), demo.roll(i, 111)) AS company_id,
           CASE WHEN demo.roll(i, 112) < 0.935 THEN 'paid' WHEN demo.roll(i, 112) < 0.975 THEN 'open'
                WHEN demo.roll(i, 112) < 0.992 THEN 'draft' WHEN demo.roll(i, 112) < 0.998 THEN 'overdue' ELSE 'disputed' END AS status,
           demo.today() - interval '3 years' * (1 - i::float8 / demo.rows('invoices')) AS issued
    FROM generate_series(1, demo.rows('invoices')) AS i
) AS draws
JOIN companies AS c ON c.id = draws.company_id
ORDER BY i;

-- step invoice_lines after invoices
INSERT INTO billing.invoice_lines (id, invoice_id, position, product, quantity, price)
SELECT i, demo.between(1, demo.rows('invoices'), (i - 1)::float8 / demo.rows('invoice_lines')), 1 + (i % 4),
       'SKU-' || lpad(demo.between(1, 3000, power(demo.roll(i, 121), 3))::text, 5, '0'),
       1 + floor(12 * power(demo.roll(i, 122), 3)), floor(exp(2 + 5 * demo.roll(i, 123))) + 0.9
FROM generate_series(1, demo.rows('invoice_lines')) AS i;

-- step payments after invoices
INSERT INTO billing.payments (id, invoice_id, method, reference, amount, received_at)
SELECT i, v.id, demo.pick('{card,card,card,transfer,transfer,debit}', demo.roll(i, 132)), 'P' || md5(i || 'payment'), v.total,
       coalesce(v.paid_at, v.issued_on + interval '20 days')
FROM generate_series(1, demo.rows('payments')) AS i
JOIN billing.invoices AS v ON v.id = demo.between(1, demo.rows('invoices'), demo.roll(i, 131))
ORDER BY i;

-- step webhooks after accounts
INSERT INTO "WebhookDeliveries" ("Id", "AccountId", "Endpoint", "ResponseCode", "CreatedAt")
SELECT i, floor(exp(ln(demo.rows('accounts')) * demo.roll(i, 141))), 'https://hooks.example/' || demo.between(1, 900, demo.roll(i, 142)),
       CASE WHEN demo.roll(i, 143) < 0.985 THEN 200 WHEN demo.roll(i, 143) < 0.995 THEN 500 ELSE 404 END,
       demo.today() - interval '90 days' * (1 - i::float8 / demo.rows('webhooks'))
FROM generate_series(1, demo.rows('webhooks')) AS i;

-- step events after contacts
INSERT INTO events (id, account_id, user_id, contact_id, kind, occurred_at, payload)
SELECT i, c.account_id, c.owner_id, CASE WHEN demo.roll(i, 152) < 0.75 THEN c.id END, kind,
       demo.today() - interval '400 days' * (1 - power(i::float8 / demo.rows('events'), 0.6)),
       jsonb_build_object('ip', '10.' || i % 251 || '.' || i % 241 || '.7', 'ms', floor(exp(7 * demo.roll(i, 154))))
FROM (
    SELECT i, demo.between(1, demo.rows('contacts'), demo.roll(i, 151)) AS contact_id,
           CASE WHEN demo.roll(i, 153) < 0.55 THEN 'email_opened' WHEN demo.roll(i, 153) < 0.8 THEN 'page_viewed'
                WHEN demo.roll(i, 153) < 0.92 THEN 'email_sent' WHEN demo.roll(i, 153) < 0.97 THEN 'call_logged'
                WHEN demo.roll(i, 153) < 0.997 THEN 'form_submitted' WHEN demo.roll(i, 153) < 0.9995 THEN 'payment_failed'
                ELSE 'unsubscribed' END AS kind
    FROM generate_series(1, demo.rows('events')) AS i
) AS draws
JOIN contacts AS c ON c.id = draws.contact_id
ORDER BY i;
