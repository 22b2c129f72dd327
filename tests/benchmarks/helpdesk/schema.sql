-- A help desk sold to many companies. It has the indexes that an application framework makes by itself (keys, and
-- some foreign keys) and no others.
create table accounts (id int primary key, name text not null, plan text not null, region text not null,
  created_at timestamptz not null, suspended boolean not null default false);
create table users (id int primary key, account_id int not null references accounts, email text not null,
  name text not null, role text not null, last_seen_at timestamptz, deleted_at timestamptz, unique (account_id, email));
create table companies (id int primary key, account_id int not null references accounts, name text not null,
  domain text, tier smallint not null);
create table contacts (id int primary key, account_id int not null references accounts,
  company_id int references companies, email text not null, name text not null, phone text,
  custom jsonb not null default '{}', created_at timestamptz not null);
create table sla_policies (id int primary key, account_id int not null references accounts, name text not null,
  first_reply_minutes int not null);
create table tickets (id int primary key, account_id int not null references accounts,
  contact_id int not null references contacts, assignee_id int references users, sla_policy_id int,
  subject text not null, status text not null, priority smallint not null, channel text not null,
  created_at timestamptz not null, updated_at timestamptz not null, due_at timestamptz, closed_at timestamptz,
  parent_id int);
create table messages (id bigint primary key, ticket_id int not null, account_id int not null,
  author_type text not null, author_id int not null, body text not null, created_at timestamptz not null);
create table ticket_events (id bigint primary key, ticket_id int not null, account_id int not null,
  actor_id int, kind text not null, old_value text, new_value text, created_at timestamptz not null);
create table tags (id int primary key, account_id int not null, name text not null, unique (account_id, name));
create table ticket_tags (ticket_id int not null, tag_id int not null, primary key (ticket_id, tag_id));
create table attachments (id int primary key, message_id bigint not null, file_name text not null, bytes int not null);
create table subscriptions (id int primary key, account_id int not null references accounts, plan text not null,
  status text not null, starts_on date not null, ends_on date);
create table invoices (id int primary key, account_id int not null references accounts, number text not null unique,
  status text not null, issued_on date not null, due_on date not null, total numeric(12,2) not null);
create table invoice_lines (id int primary key, invoice_id int not null references invoices, description text not null,
  quantity int not null, amount numeric(12,2) not null);
create table payments (id int primary key, invoice_id int not null references invoices, method text not null,
  reference text not null, amount numeric(12,2) not null, paid_at timestamptz not null);
create table sessions (id uuid primary key, user_id int not null, created_at timestamptz not null,
  expires_at timestamptz not null, ip inet not null);
create table jobs (id bigint primary key, queue text not null, state text not null, run_at timestamptz not null,
  attempts smallint not null, payload jsonb not null, locked_by text);
create table audit_log (id bigint primary key, account_id int not null, user_id int, action text not null,
  object_type text not null, object_id bigint not null, created_at timestamptz not null);
create index on users (account_id);
create index on contacts (account_id);
create index on tickets (account_id);
create index on tickets (contact_id);
create index on messages (ticket_id);
create index on invoices (account_id);
create index on subscriptions (account_id);
