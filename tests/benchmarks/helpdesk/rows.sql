-- Tenants: account n has a share that falls with n ** (-2/3). Most tickets are closed; most of what may be NULL is NULL.
insert into accounts select n, 'Account ' || n, (array['free','team','business'])[1 + (n % 7 > 3)::int + (n % 50 = 0)::int],
  (array['eu','us','ap'])[1 + n % 3], timestamptz '2025-01-01' + random() * interval '300 days', n % 40 = 0
  from generate_series(1, $accounts) n;
insert into users select n, ($accounts * power(random(), 3))::int % $accounts + 1, 'user' || n || '@example.org',
  'User ' || md5(n::text), (array['agent','agent','agent','admin','viewer'])[1 + n % 5],
  case when random() < 0.8 then timestamptz '2025-01-01' + random() * interval '500 days' end,
  case when random() < 0.06 then timestamptz '2026-01-01' end from generate_series(1, $users) n;
insert into companies select n, ($accounts * power(random(), 3))::int % $accounts + 1, 'Company ' || md5(n::text),
  case when random() < 0.5 then 'c' || n || '.example.com' end, (3 * power(random(), 2))::int
  from generate_series(1, $companies) n;
insert into contacts select n, ($accounts * power(random(), 3))::int % $accounts + 1,
  case when random() < 0.3 then 1 + ($companies * power(random(), 2))::int % $companies end,
  'contact' || n || '@mail' || n % 900 || '.com', 'Contact ' || md5(n::text),
  case when random() < 0.25 then '+49' || (1000000 + n)::text end,
  jsonb_build_object('lang', (array['en','de','fr','pl'])[1 + n % 4], 'vip', n % 97 = 0, 'ref', 'r' || n % 5000),
  timestamptz '2025-01-01' + (n * 1.0 / $contacts) * interval '500 days' from generate_series(1, $contacts) n;
insert into sla_policies select n, n % $accounts + 1, 'SLA ' || n, 15 * (1 + n % 16) from generate_series(1, $accounts) n;
insert into tickets select n, c.account_id, c.id,
  case when random() < 0.85 then 1 + ($users * power(random(), 2))::int % $users end,
  case when random() < 0.2 then c.account_id end, 'Subject ' || md5(n::text),
  case when n > $tickets * 0.97 then (array['new','open','pending'])[1 + (random() * 2)::int]
    when random() < 0.01 then 'open' when random() < 0.3 then 'solved' else 'closed' end,
  (3 * power(random(), 2))::int, (array['mail','mail','mail','chat','web','phone'])[1 + (random() * 5)::int],
  timestamptz '2025-01-01' + (n * 1.0 / $tickets) * interval '500 days',
  timestamptz '2025-01-01' + (n * 1.0 / $tickets) * interval '500 days' + random() * interval '9 days',
  case when random() < 0.15 then timestamptz '2025-01-01' + (n * 1.0 / $tickets) * interval '505 days' end,
  case when random() < 0.9 then timestamptz '2025-01-01' + (n * 1.0 / $tickets) * interval '503 days' end,
  case when random() < 0.03 then 1 + (random() * $tickets)::int end
  from (select n, 1 + ($contacts * power(random(), 2))::int % $contacts as contact from generate_series(1, $tickets) n) s
  join contacts c on c.id = s.contact;
insert into messages select n, t.id, t.account_id, case when random() < 0.5 then 'contact' else 'user' end,
  1 + ($users * random())::int, repeat(md5(n::text), 1 + (8 * power(random(), 2))::int), t.created_at + random() * interval '3 days'
  from (select n, 1 + ($tickets * power(random(), 1.3))::int % $tickets as ticket from generate_series(1, $messages) n) s
  join tickets t on t.id = s.ticket;
insert into ticket_events select n, t.id, t.account_id, case when random() < 0.7 then 1 + ($users * random())::int end,
  (array['status','status','assignee','priority','tag','sla_breach'])[1 + (5 * power(random(), 2))::int], 'old', 'new' || n % 20,
  timestamptz '2025-01-01' + (n * 1.0 / $events) * interval '500 days'
  from (select n, 1 + ($tickets * (n * 1.0 / $events) * (0.98 + 0.02 * random()))::int % $tickets as ticket
        from generate_series(1, $events) n) s join tickets t on t.id = s.ticket;
insert into tags select n, n % $accounts + 1, 'tag' || n from generate_series(1, $tags) n;
insert into ticket_tags select distinct 1 + (random() * ($tickets - 1))::int, 1 + ($tags * power(random(), 3))::int % $tags
  from generate_series(1, $tickets) n;
insert into attachments select n, 1 + (random() * ($messages - 1))::bigint, 'file' || n || '.pdf', (100000 * random())::int
  from generate_series(1, $messages / 8) n;
insert into subscriptions select n, n % $accounts + 1, 'team', case when n % 9 = 0 then 'past_due' when n % 3 = 0 then 'canceled' else 'active' end,
  date '2025-01-01' + (random() * 400)::int, case when random() < 0.3 then date '2026-01-01' + (random() * 200)::int end
  from generate_series(1, $accounts * 3) n;
insert into invoices select n, ($accounts * power(random(), 3))::int % $accounts + 1, 'INV-' || lpad(n::text, 8, '0'),
  case when random() < 0.02 then 'overdue' when random() < 0.05 then 'draft' else 'paid' end,
  date '2025-01-01' + (n * 500 / $invoices), date '2025-01-31' + (n * 500 / $invoices), (random() * 5000)::numeric(12,2)
  from generate_series(1, $invoices) n;
insert into invoice_lines select n, 1 + (n / 3) % $invoices, 'Line ' || n % 400, 1 + n % 9, (random() * 900)::numeric(12,2)
  from generate_series(1, $invoices * 3) n;
insert into payments select n, 1 + (random() * ($invoices - 1))::int, (array['card','card','sepa','wire'])[1 + n % 4],
  'PAY' || md5(n::text), (random() * 5000)::numeric(12,2), timestamptz '2025-01-01' + (n * 1.0 / $invoices) * interval '500 days'
  from generate_series(1, $invoices) n;
insert into sessions select md5(n::text)::uuid, 1 + ($users * power(random(), 2))::int % $users,
  timestamptz '2025-01-01' + (n * 1.0 / $sessions) * interval '500 days',
  timestamptz '2025-01-01' + (n * 1.0 / $sessions) * interval '500 days' + interval '14 days', '10.0.0.0'::inet + n % 60000
  from generate_series(1, $sessions) n;
insert into jobs select n, (array['mail','mail','webhook','index','export'])[1 + (4 * power(random(), 2))::int],
  case when n > $jobs * 0.995 then 'ready' when random() < 0.004 then 'failed' else 'done' end,
  timestamptz '2025-01-01' + (n * 1.0 / $jobs) * interval '500 days', (random() * 2)::int,
  jsonb_build_object('ticket', 1 + n % $tickets), null from generate_series(1, $jobs) n;
insert into audit_log select n, ($accounts * power(random(), 3))::int % $accounts + 1,
  case when random() < 0.9 then 1 + ($users * power(random(), 2))::int % $users end,
  (array['login','view','update','export','delete'])[1 + (4 * power(random(), 3))::int],
  (array['ticket','contact','user','invoice'])[1 + n % 4], 1 + (random() * $tickets)::bigint,
  timestamptz '2025-01-01' + (n * 1.0 / $audit) * interval '500 days' from generate_series(1, $audit) n;
