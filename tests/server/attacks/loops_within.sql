-- The same in transactions, at their end, and where nobody may cancel.
BEGIN;
CREATE TABLE kept (id int);
SELECT pg_sleep(1e6);
ALTER TABLE kept ADD x int;
COMMIT;
CREATE FUNCTION forever() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP END LOOP; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON loose DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION forever();
INSERT INTO loose VALUES (1, 'x');
CREATE INDEX ON loose (((SELECT 1)));
CREATE FUNCTION endless(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN LOOP END LOOP; END $$;
SELECT 1 WHERE endless(1) = 1;
