SELECT set_config('search_path', 'billing, public', false);
ALTER TABLE invoices ALTER COLUMN issued SET NOT NULL;
