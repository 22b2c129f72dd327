-- Each fails on the rows of schema.sql, with the SQLSTATE behind its name; on empty tables nearly all of them run.
-- name: set_not_null 23502
ALTER TABLE od ALTER note SET NOT NULL;
-- name: add_check 23514
ALTER TABLE od ADD CHECK (qty > 0);
-- name: add_check_expression 23514
ALTER TABLE cu ADD CHECK (length(handle) < 23 AND age IS NOT NULL);
-- name: add_check_divides 22012
ALTER TABLE od ADD CHECK (100 / qty > 0);
-- name: add_check_casts 22P02
ALTER TABLE cu ADD CHECK (code::int > 0);
-- name: add_unique 23505
ALTER TABLE cu ADD UNIQUE (email);
-- name: add_unique_two 23505
ALTER TABLE od ADD UNIQUE (status, qty);
-- name: add_primary_key_nulls 23502
ALTER TABLE od DROP CONSTRAINT od_pkey CASCADE; ALTER TABLE od ADD PRIMARY KEY (note);
-- name: add_foreign_key 23503
ALTER TABLE li ADD FOREIGN KEY (pos) REFERENCES cu;
-- name: validate_check 23514
ALTER TABLE od VALIDATE CONSTRAINT od_status;
-- name: validate_foreign_key 23503
ALTER TABLE od VALIDATE CONSTRAINT od_cu;
-- name: add_exclusion 23P01
ALTER TABLE od ADD EXCLUDE USING gist (span WITH &&);
-- name: type_int 22P02
ALTER TABLE cu ALTER code TYPE int USING code::int;
-- name: type_int_using_substring 22P02
ALTER TABLE cu ALTER code TYPE int USING substring(code from 1)::int;
-- name: type_date 22008
ALTER TABLE cu ALTER born TYPE date USING born::date;
-- name: type_boolean 22P02
ALTER TABLE cu ALTER flag TYPE boolean USING flag::boolean;
-- name: type_enum 22P02
ALTER TABLE cu ALTER feeling TYPE mood USING feeling::mood;
-- name: type_inet 22P02
ALTER TABLE cu ALTER address TYPE inet USING address::inet;
-- name: type_json 22P02
ALTER TABLE cu ALTER document TYPE jsonb USING document::jsonb;
-- name: type_uuid 22P02
ALTER TABLE cu ALTER token TYPE uuid USING token::uuid;
-- name: type_shorter 22001
ALTER TABLE cu ALTER handle TYPE varchar(20);
-- name: type_numeric 22003
ALTER TABLE od ALTER amount TYPE numeric(8, 2);
-- name: type_narrower 22003
ALTER TABLE od ALTER big TYPE int;
-- name: type_using_division 22012
ALTER TABLE od ALTER qty TYPE numeric USING 1000 / qty;
-- name: unique_index 23505
CREATE UNIQUE INDEX ON cu (email);
-- name: unique_index_concurrently 23505
CREATE UNIQUE INDEX CONCURRENTLY ON cu (lower(email));
-- name: unique_index_partial 23505
CREATE UNIQUE INDEX ON od (qty) WHERE status = 'lost';
-- name: index_divides 22012
CREATE INDEX ON od ((100 / qty));
-- name: index_casts 22P02
CREATE INDEX ON cu ((code::int));
-- name: index_of_function P0001
CREATE INDEX ON cu (twice(age));
-- name: add_column_not_null 23502
ALTER TABLE cu ADD COLUMN must int NOT NULL;
-- name: add_column_default_against_check 23514
ALTER TABLE cu ADD COLUMN n int DEFAULT 0 CHECK (n > 0);
-- name: add_column_unique_default 23505
ALTER TABLE cu ADD COLUMN n int DEFAULT 1 UNIQUE;
-- name: add_column_reference_default 23503
ALTER TABLE li ADD COLUMN owner bigint DEFAULT 0 REFERENCES cu;
-- name: add_column_generated_divides 22012
ALTER TABLE od ADD COLUMN per numeric GENERATED ALWAYS AS (amount / qty) STORED;
-- name: add_column_generated_casts 22P02
ALTER TABLE cu ADD COLUMN number int GENERATED ALWAYS AS (code::int) STORED;
-- name: domain_check 23514
ALTER DOMAIN percent ADD CHECK (VALUE <= 100);
-- name: domain_not_null 23502
ALTER DOMAIN percent SET NOT NULL;
-- name: type_to_domain 23514
CREATE DOMAIN adult AS int CHECK (VALUE >= 18); ALTER TABLE cu ALTER age TYPE adult;
-- name: attach_out_of_range 23514
ALTER TABLE ev ATTACH PARTITION ev_old FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
-- name: partition_beside_default 23514
CREATE TABLE ev_2024 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
-- name: update_unique 23505
UPDATE li SET pos = 1;
-- name: update_check 23514
UPDATE od SET status = 'lost' WHERE id = 5;
-- name: update_to_null 23502
UPDATE li SET id = NULL WHERE id = 3;
-- name: update_orphan 23503
UPDATE li SET od_id = 999999 WHERE id = 3;
-- name: update_divides 22012
UPDATE od SET amount = amount / qty;
-- name: update_casts 22P02
UPDATE cu SET age = code::int;
-- name: update_too_long 22001
UPDATE cu SET handle = handle || ' and a good deal more than forty letters';
-- name: update_out_of_range 22003
UPDATE od SET qty = big;
-- name: update_many_rows 21000
UPDATE cu SET age = (SELECT qty FROM od WHERE cu_id < 100) WHERE id = 1;
-- name: update_trigger_raises P0001
UPDATE guarded SET w = 0;
-- name: delete_trigger_raises P0001
DELETE FROM guarded WHERE id = 4;
-- name: delete_referenced 23503
DELETE FROM od WHERE id = 7;
-- name: insert_again 23505
INSERT INTO cu (id, email) VALUES (5, 'new@example.org');
-- name: insert_select_again 23505
INSERT INTO li (id, od_id, pos) SELECT id, id, 9 FROM od;
-- name: insert_select_null 23502
INSERT INTO ticket (id, v) SELECT share, 'v' FROM cu WHERE share IS NULL;
-- name: insert_conflict_twice 21000
INSERT INTO guarded SELECT 500, qty, 0 FROM od ON CONFLICT (id) DO UPDATE SET v = 1;
-- name: insert_orphan 23503
INSERT INTO li VALUES (99999, 88888, 0);
-- name: insert_view_check 44000
UPDATE open_od SET status = 'paid' WHERE id = 5;
-- name: table_as_casts 22P02
CREATE TABLE copied AS SELECT id, code::int AS number FROM cu;
-- name: view_filled_divides 22012
CREATE MATERIALIZED VIEW rates AS SELECT id, 100 / qty AS rate FROM od;
-- name: do_raises P0001
DO $$ BEGIN IF EXISTS (SELECT FROM od WHERE status = 'lost') THEN RAISE EXCEPTION 'mend the rows first'; END IF; END $$;
-- name: do_updates 22012
DO $$ BEGIN UPDATE od SET amount = amount / qty; END $$;
-- name: call_divides 22012
CALL settle();
-- name: select_of_function P0001
SELECT twice(age) FROM cu;
-- name: trigger_of_old_name 42703
ALTER TABLE guarded RENAME COLUMN v TO value; UPDATE guarded SET w = 1;
-- name: enum_value_at_once 55P04
BEGIN; ALTER TYPE mood ADD VALUE 'torn'; UPDATE cu SET feeling = 'torn'::mood; COMMIT;
-- name: timeout_too_short 57014
SET statement_timeout = '1ms'; UPDATE li SET pos = pos + 10;
-- name: pending_events 55006
BEGIN; UPDATE late SET od_id = 3 WHERE id = 2; ALTER TABLE late ADD COLUMN x int; COMMIT;
-- name: identity_from_one 23505
ALTER TABLE cu ALTER id ADD GENERATED BY DEFAULT AS IDENTITY; INSERT INTO cu (email) VALUES ('a');
-- name: sequence_restarted 23505
ALTER SEQUENCE tickets RESTART WITH 1; INSERT INTO ticket (v) VALUES ('again');
-- name: serial_from_one 23505
CREATE SEQUENCE cu_seq; ALTER TABLE cu ALTER id SET DEFAULT nextval('cu_seq'); INSERT INTO cu (email) VALUES ('a');
-- name: deferred_at_commit 23503
BEGIN; UPDATE late SET od_id = 77777 WHERE id = 2; COMMIT;
-- name: index_row_too_large 54000
UPDATE od SET note = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i) WHERE id = 1; CREATE INDEX ON od (note);
