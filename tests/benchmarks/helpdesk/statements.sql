-- Each statement below a line with its calls an hour and its name.

-- 2600 session
select user_id, expires_at from sessions where id = '$session' and expires_at > '$now';

-- 2200 user_by_id
select * from users where id = $user and deleted_at is null;

-- 900 login
select id, role from users where lower(email) = 'user$user@example.org' and deleted_at is null;

-- 400 users_of
select id, name, role from users where account_id = $account and deleted_at is null order by name;

-- 160 idle_users
select count(*) from users where account_id = $account and last_seen_at < '$past';

-- 1800 ticket
select * from tickets where id = $ticket and account_id = $account;

-- 1500 thread
select id, author_type, author_id, body, created_at from messages where ticket_id = $ticket order by created_at;

-- 700 last_message
select body from messages where ticket_id = $ticket order by created_at desc limit 1;

-- 1200 inbox
select id, subject, priority, updated_at from tickets where account_id = $account and status in ('new', 'open')
order by updated_at desc limit 30;

-- 800 mine
select id, subject, status from tickets where assignee_id = $user and status in ('new', 'open', 'pending') order by
priority desc, updated_at;

-- 350 unassigned
select count(*) from tickets where account_id = $account and assignee_id is null and status = 'new';

-- 260 due
select id, account_id, due_at from tickets where due_at < '$now' and closed_at is null order by due_at limit 100;

-- 300 by_contact
select id, subject, status, created_at from tickets where contact_id = $contact order by created_at desc limit 20;

-- 60 children
select id, status from tickets where parent_id = $ticket;

-- 240 counts
select status, count(*) from tickets where account_id = $account group by status;

-- 70 by_channel
select channel, count(*) from tickets where account_id = $account and created_at >= '$month' group by channel;

-- 20 busy_agents
select assignee_id, count(*) from tickets where account_id = $account and created_at >= '$month' group by
assignee_id order by 2 desc limit 10;

-- 90 search_subject
select id, subject from tickets where account_id = $account and subject like 'Subject $hex%' limit 20;

-- 45 page
select id, subject, created_at from tickets where account_id = $account order by created_at desc, id desc limit 50
offset $offset;

-- 30 breaches
select t.id, e.created_at from ticket_events e join tickets t on t.id = e.ticket_id where e.account_id = $account
and e.kind = 'sla_breach' and e.created_at > '$month';

-- 900 events_of
select kind, old_value, new_value, created_at from ticket_events where ticket_id = $ticket order by created_at;

-- 110 actor
select kind, ticket_id, created_at from ticket_events where actor_id = $user and created_at > '$week' order by
created_at desc limit 50;

-- 15 event_kinds
select kind, count(*) from ticket_events where created_at >= '$week' group by kind;

-- 650 contact_by_mail
select id, name from contacts where account_id = $account and email = 'contact$contact@mail${mail}.com';

-- 160 contact_any_mail
select id, account_id from contacts where lower(email) = 'contact$contact@mail${mail}.com';

-- 210 phone
select id, name from contacts where phone = '+49$phone';

-- 80 company_contacts
select id, name, email from contacts where company_id = $company order by name;

-- 35 new_contacts
select count(*) from contacts where account_id = $account and created_at > '$week';

-- 25 by_ref
select id from contacts where custom @> '{"ref": "r$ref"}';

-- 40 company_domain
select id, account_id from companies where domain = 'c$company.example.com';

-- 130 companies_of
select id, name, tier from companies where account_id = $account order by name limit 50;

-- 300 tags_of
select g.name from ticket_tags x join tags g on g.id = x.tag_id where x.ticket_id = $ticket;

-- 85 tagged
select t.id, t.subject from ticket_tags x join tickets t on t.id = x.ticket_id where x.tag_id = $tag and t.status <>
'closed' order by t.updated_at desc limit 20;

-- 420 attachments
select id, file_name, bytes from attachments where message_id = $message;

-- 90 files_of_ticket
select a.id, a.file_name from attachments a join messages m on m.id = a.message_id where m.ticket_id = $ticket;

-- 180 subscription
select id, plan, ends_on from subscriptions where account_id = $account and status = 'active';

-- 6 past_due
select s.id, a.name from subscriptions s join accounts a on a.id = s.account_id where s.status = 'past_due' and
s.starts_on > '$month_day';

-- 120 invoices_of
select id, number, total, status from invoices where account_id = $account order by issued_on desc limit 12;

-- 90 invoice
select * from invoices where number = 'INV-$invoice_number';

-- 200 lines
select description, quantity, amount from invoice_lines where invoice_id = $invoice;

-- 130 paid
select sum(amount) from payments where invoice_id = $invoice;

-- 35 payment_ref
select invoice_id, amount from payments where reference = 'PAY$payment_hash';

-- 18 overdue
select id, account_id, total from invoices where status = 'overdue' and due_on < '$month_day' order by due_on;

-- 4 revenue
select date_trunc('month', issued_on), sum(total) from invoices where status = 'paid' group by 1 order by 1;

-- 3 top_accounts
select a.name, sum(i.total) from invoices i join accounts a on a.id = i.account_id where i.issued_on > '$month_day'
group by a.name order by 2 desc limit 20;

-- 1500 next_job
select id, payload from jobs where queue = '$queue' and state = 'ready' and run_at <= '$now' order by run_at limit 1;

-- 30 failed_jobs
select count(*) from jobs where state = 'failed' and run_at > '$month';

-- 75 audit_of
select action, object_type, object_id, created_at from audit_log where account_id = $account order by created_at
desc limit 50;

-- 40 audit_object
select action, user_id, created_at from audit_log where object_type = 'ticket' and object_id = $ticket order by
created_at;

-- 12 audit_user
select action, count(*) from audit_log where user_id = $user and created_at > '$month' group by action;

-- 5 deletions
select account_id, count(*) from audit_log where action = 'delete' and created_at > '$month' group by account_id;

-- 60 user_sessions
select id, ip, created_at from sessions where user_id = $user and expires_at > '$now';

-- 8 replies
select t.account_id, count(*) from tickets t join messages m on m.ticket_id = t.id where t.created_at > '$week' and
m.author_type = 'user' group by t.account_id;

-- 10 silent
select t.id from tickets t where t.account_id = $account and t.status = 'open' and not exists (select 1 from
messages m where m.ticket_id = t.id and m.author_type = 'user');

-- 1100 add_message
insert into messages values ((random() * 1e9)::bigint + 1000000000, $ticket, $account, 'user', $user, 'text of a
reply', '$now');

-- 1600 add_event
insert into ticket_events values ((random() * 1e9)::bigint + 1000000000, $ticket, $account, $user, 'status', 'open',
'solved', '$now');

-- 300 add_ticket
insert into tickets values ((random() * 1e9)::int + 1000000000, $account, $contact, null, null, 'New subject',
'new', 1, 'mail', '$now', '$now', null, null, null);

-- 900 touch_ticket
update tickets set updated_at = '$now' where id = $ticket;

-- 500 set_status
update tickets set status = 'pending', updated_at = '$now' where id = $ticket;

-- 1500 seen
update users set last_seen_at = '$now' where id = $user;

-- 1900 audit
insert into audit_log values ((random() * 1e9)::bigint + 1000000000, $account, $user, 'view', 'ticket', $ticket,
'$now');

-- 1500 job_done
update jobs set state = 'done' where id = $job;

-- 20 expire
delete from sessions where expires_at < '$oldest';

-- 250 new_session
insert into sessions values (gen_random_uuid(), $user, '$now', '$later', '10.1.2.3');
