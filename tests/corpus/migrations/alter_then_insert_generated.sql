BEGIN;
ALTER TABLE accounts ADD COLUMN gift_note text;
CREATE TABLE numbers AS SELECT n FROM generate_series(1, 200000) n;
COMMIT;
