ALTER TABLE orders ADD COLUMN x uuid DEFAULT make_me_a_uuid();
