BEGIN;
ALTER TABLE accounts ADD COLUMN public_id UUID DEFAULT gen_random_uuid() NOT NULL;
ALTER TABLE accounts ADD UNIQUE (public_id);
COMMIT;
