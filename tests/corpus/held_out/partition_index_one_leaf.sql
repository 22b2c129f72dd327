CREATE INDEX events_default_account ON events_default (account_id);
