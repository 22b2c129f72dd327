-- Migrations for the tests of probes, each with a name and what the data of probing.SCHEMA makes of it:
-- it fails, it runs, or (unknown) it runs but no question can settle that.

-- fails: nulls
ALTER TABLE children ALTER email SET NOT NULL;

-- fails: null key
ALTER TABLE children DROP CONSTRAINT children_pkey, ADD PRIMARY KEY (parent_id);

-- fails: duplicates
ALTER TABLE children ADD UNIQUE (email);

-- fails: duplicate expression
CREATE UNIQUE INDEX ON children (lower(email));

-- fails: duplicates in part
CREATE UNIQUE INDEX ON children (parent_id) WHERE id < 60;

-- fails: orphans
ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents;

-- fails: orphans validated
ALTER TABLE children ADD CONSTRAINT f FOREIGN KEY (parent_id) REFERENCES parents (id) NOT VALID;
ALTER TABLE children VALIDATE CONSTRAINT f;

-- fails: check
ALTER TABLE children ADD CHECK (amount > 1);

-- fails: check validated
ALTER TABLE children ADD CONSTRAINT c CHECK (id <> 3) NOT VALID;
ALTER TABLE children VALIDATE CONSTRAINT c;

-- fails: shorter
ALTER TABLE children ALTER label TYPE varchar(7);

-- fails: shorter text
ALTER TABLE children ALTER email TYPE varchar(8);

-- fails: smaller number
ALTER TABLE children ALTER big TYPE int;

-- fails: fewer digits
ALTER TABLE children ALTER amount TYPE numeric(4, 2);

-- fails: no number
ALTER TABLE children ALTER word TYPE int USING word::int;

-- fails: no date
ALTER TABLE children ALTER day TYPE date USING day::date;

-- fails: no label
CREATE TYPE feelings AS ENUM ('ok', 'sad');
ALTER TABLE children ALTER feeling TYPE feelings USING feeling::feelings;

-- fails: no label of an old type
ALTER TABLE children ALTER feeling TYPE mood USING feeling::mood;

-- fails: new domain
CREATE DOMAIN low AS int CHECK (VALUE < 50);
ALTER TABLE children ALTER id TYPE low;

-- fails: domain check
ALTER DOMAIN percent ADD CHECK (VALUE < 100);

-- fails: no bits
ALTER TABLE children ALTER flags TYPE bit(3);

-- fails: new column
ALTER TABLE children ADD must int NOT NULL;

-- fails: same default
ALTER TABLE children ADD tag text DEFAULT 'x' UNIQUE;

-- fails: default without parent
ALTER TABLE children ADD owner int DEFAULT 999 REFERENCES parents;

-- fails: default against check
ALTER TABLE children ADD n int DEFAULT 0 CHECK (n > 0);

-- fails: generated
ALTER TABLE children ADD part numeric GENERATED ALWAYS AS (1 / (amount - 7)) STORED;

-- fails: default partition
CREATE TABLE r2 PARTITION OF ranges FOR VALUES FROM (20) TO (40);

-- fails: outside the bound
ALTER TABLE ranges ATTACH PARTITION incoming FOR VALUES FROM (100) TO (110);

-- fails: exclusion
ALTER TABLE stays ADD EXCLUDE USING gist (during WITH &&);

-- fails: key exists
INSERT INTO parents VALUES (3, 'other');

-- fails: code exists
INSERT INTO parents (id, code) VALUES (300, 'p4');

-- fails: no parent
INSERT INTO kept VALUES (10, 4711);

-- fails: parents deleted
DELETE FROM parents WHERE id < 4;

-- fails: made equal
UPDATE parents SET code = 'same' WHERE id IN (1, 2);

-- fails: made null
UPDATE parents SET name = NULL WHERE id = 4;

-- fails: moved to nowhere
UPDATE kept SET parent_id = parent_id + 100;

-- fails: too long for it
UPDATE children SET label = label || ' and a very long tail';

-- fails: repaired in part
UPDATE children SET email = 'none' WHERE id < 50;
ALTER TABLE children ALTER email SET NOT NULL;

-- fails: orphans of deleted parents
DELETE FROM parents WHERE id = 20;
DELETE FROM children WHERE parent_id > 20;
ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents;

-- fails: added and left empty
ALTER TABLE children ADD x int;
UPDATE children SET x = id WHERE parent_id IS NOT NULL;
ALTER TABLE children ALTER x SET NOT NULL;

-- fails: renamed
ALTER TABLE children RENAME email TO mail;
ALTER TABLE children RENAME TO kids;
ALTER TABLE kids ALTER mail SET NOT NULL;

-- fails: retyped, then equal
ALTER TABLE children ALTER amount TYPE int USING (amount / 10)::int;
ALTER TABLE children ADD UNIQUE (amount);

-- fails: inserted null
INSERT INTO nobody (id) SELECT id FROM parents;
ALTER TABLE nobody ALTER x SET NOT NULL;

-- fails: two deletes too few
DELETE FROM children a USING children b WHERE a.id > b.id AND a.email = b.email AND a.id < 60;
CREATE UNIQUE INDEX ON children (email);

-- fails: in a block
DO $$ BEGIN UPDATE children SET email = 'a'; ALTER TABLE children ADD UNIQUE (email); END $$;

-- runs: no nulls
ALTER TABLE children ALTER label SET NOT NULL;

-- runs: unique
ALTER TABLE children ADD UNIQUE (label);
CREATE UNIQUE INDEX ON children (email, id);

-- runs: unique in part
CREATE UNIQUE INDEX ON children (parent_id) WHERE id < 10;

-- runs: parents
ALTER TABLE kept ADD FOREIGN KEY (id) REFERENCES parents;

-- runs: check
ALTER TABLE children ADD CHECK (amount > 0 AND email LIKE '%@%');

-- runs: not valid
ALTER TABLE children ADD CHECK (amount > 1) NOT VALID;

-- runs: long enough
ALTER TABLE children ALTER label TYPE varchar(9);
ALTER TABLE children ALTER code TYPE varchar(4);

-- runs: cut on purpose
ALTER TABLE children ALTER label TYPE varchar(3) USING label::varchar(3);

-- runs: narrow but fits
ALTER TABLE children ALTER amount TYPE numeric(5, 2);
ALTER TABLE children ALTER id TYPE smallint;

-- runs: cast after repair
UPDATE children SET word = '0' WHERE word !~ '^[0-9]+$';
ALTER TABLE children ALTER word TYPE int USING word::int;

-- runs: cast after clean-up
DELETE FROM children WHERE word !~ '^[0-9]+$';
ALTER TABLE children ALTER word TYPE int USING word::int;
ALTER TABLE children ADD CHECK (word > 0);

-- runs: cast in a case
ALTER TABLE children ALTER word TYPE int USING CASE WHEN word ~ '^\d+$' THEN word::int END;

-- runs: filled
UPDATE children SET email = 'none' WHERE email IS NULL;
ALTER TABLE children ALTER email SET NOT NULL;

-- runs: filled with coalesce
UPDATE children AS c SET email = coalesce(c.email, 'none');
ALTER TABLE children ALTER email SET NOT NULL;

-- runs: filled from another
UPDATE children c SET email = p.code FROM parents p WHERE p.id = c.id % 20 + 1 AND c.email IS NULL;
ALTER TABLE children ALTER email SET NOT NULL;

-- runs: filled by sub-select
UPDATE children SET parent_id = (SELECT min(id) FROM parents);
ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents;
ALTER TABLE children ALTER parent_id SET NOT NULL;

-- runs: orphans deleted
DELETE FROM children c WHERE NOT EXISTS (SELECT 1 FROM parents p WHERE p.id = c.parent_id);
ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents;

-- runs: orphans not in
DELETE FROM children WHERE parent_id NOT IN (SELECT id FROM parents);
ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents;

-- runs: orphans nulled
UPDATE children SET parent_id = NULL WHERE parent_id > 20;
ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents;

-- runs: parents added
INSERT INTO parents (id, code) SELECT DISTINCT parent_id, 'new' || parent_id FROM children c WHERE parent_id > 20;
ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents;

-- runs: dedupe with using
DELETE FROM children a USING children b WHERE a.id > b.id AND a.email = b.email;
CREATE UNIQUE INDEX ON children (email);

-- runs: dedupe by ctid
DELETE FROM children WHERE ctid NOT IN (SELECT min(ctid) FROM children GROUP BY email) AND email IS NOT NULL;
CREATE UNIQUE INDEX ON children (email);

-- runs: dedupe by rank
WITH r AS (SELECT id, row_number() OVER (PARTITION BY email ORDER BY id) AS n FROM children WHERE email IS NOT NULL) DELETE FROM children WHERE id IN (SELECT id FROM r WHERE n > 1);
CREATE UNIQUE INDEX ON children (email);

-- runs: made different
UPDATE children SET email = email || id;
CREATE UNIQUE INDEX ON children (email);

-- runs: emptied
TRUNCATE children;
ALTER TABLE children ALTER email SET NOT NULL, ADD must int NOT NULL;

-- runs: everything deleted
DELETE FROM children;
ALTER TABLE children ADD must int NOT NULL;

-- runs: new column filled
ALTER TABLE children ADD x int;
UPDATE children SET x = 0;
ALTER TABLE children ALTER x SET NOT NULL;

-- runs: new column with default
ALTER TABLE children ADD x int NOT NULL DEFAULT 0;

-- runs: numbered
ALTER TABLE children ADD n serial;
ALTER TABLE children ADD UNIQUE (n);

-- runs: own identifiers
ALTER TABLE children ADD token uuid;
UPDATE children SET token = gen_random_uuid();
ALTER TABLE children ALTER token SET NOT NULL;
CREATE UNIQUE INDEX ON children (token);

-- runs: empty table
ALTER TABLE nobody ALTER x SET NOT NULL, ADD must int NOT NULL, ADD UNIQUE (id);

-- runs: new table
CREATE TABLE fresh (id int PRIMARY KEY, c int NOT NULL REFERENCES parents);
ALTER TABLE fresh ADD must int NOT NULL;

-- runs: free partition
CREATE TABLE r2 PARTITION OF ranges FOR VALUES FROM (200) TO (240);

-- runs: inside the bound
ALTER TABLE ranges ATTACH PARTITION incoming FOR VALUES FROM (100) TO (130);

-- runs: no exclusion
DELETE FROM stays WHERE during = '[4,8)';
DELETE FROM stays WHERE id = 2;
ALTER TABLE stays ADD EXCLUDE USING gist (during WITH &&);

-- runs: new keys
INSERT INTO parents VALUES (300, 'other'), (301, 'another');
INSERT INTO kept VALUES (10, 300);

-- fails: another key than that of the conflict
INSERT INTO parents VALUES (300, 'p7') ON CONFLICT (id) DO NOTHING;

-- fails: another key, come twice
INSERT INTO parents VALUES (301, 'z'), (302, 'z') ON CONFLICT (id) DO NOTHING;

-- fails: null in a row that conflicts
INSERT INTO parents (id, name) VALUES (7, NULL) ON CONFLICT (id) DO NOTHING;

-- fails: check of a row that conflicts
INSERT INTO parents (id, name) VALUES (7, '') ON CONFLICT (id) DO NOTHING;

-- fails: no parent beside a conflict
INSERT INTO kept VALUES (50, 999), (1, 1) ON CONFLICT (id) DO NOTHING;

-- runs: rows that conflict are left out
INSERT INTO parents VALUES (7, 'p9'), (400, 'q'), (400, 'q') ON CONFLICT (id) DO NOTHING;
INSERT INTO kept VALUES (1, 999) ON CONFLICT (id) DO NOTHING;

-- unknown: conflict allowed
INSERT INTO parents VALUES (3, 'other') ON CONFLICT DO NOTHING;

-- runs: nobody refers
DELETE FROM parents WHERE id > 10;

-- runs: referring deleted first
DELETE FROM kept;
DELETE FROM parents;

-- runs: labels
UPDATE children SET feeling = 'ok' WHERE feeling NOT IN ('ok', 'sad');
CREATE TYPE feelings AS ENUM ('ok', 'sad');
ALTER TABLE children ALTER feeling TYPE feelings USING feeling::feelings;

-- runs: domain holds
ALTER DOMAIN percent ADD CHECK (VALUE <= 100);

-- runs: renamed
ALTER TABLE children RENAME label TO email2;
ALTER TABLE children ALTER email2 SET NOT NULL;

-- runs: block repairs
DO $$ BEGIN UPDATE children SET email = id::text; ALTER TABLE children ADD UNIQUE (email); END $$;

-- unknown: error caught
DO $$ BEGIN ALTER TABLE children ADD UNIQUE (email); EXCEPTION WHEN unique_violation THEN NULL; END $$;

-- runs: column dropped
ALTER TABLE children DROP email;
ALTER TABLE children ADD email text;
CREATE UNIQUE INDEX ON children (email);

-- fails: enumeration made anew
ALTER TABLE children ALTER feeling TYPE mood USING 'ok';
ALTER TABLE parents ADD m mood NOT NULL DEFAULT 'sad';
ALTER TYPE mood RENAME TO mood_old;
CREATE TYPE mood AS ENUM ('ok', 'fine');
ALTER TABLE parents ALTER m DROP DEFAULT;
ALTER TABLE parents ALTER m TYPE mood USING m::text::mood;

-- runs: enumeration made anew with all labels
ALTER TYPE mood RENAME TO mood_old;
CREATE TYPE mood AS ENUM ('ok', 'sad', 'fine');
ALTER TABLE children ALTER old TYPE mood USING old::text::mood;
DROP TYPE mood_old;

-- fails: a guard of the file
DO $$ BEGIN IF EXISTS (SELECT 1 FROM children WHERE email IS NULL) THEN RAISE EXCEPTION 'dirty'; END IF; END $$;

-- fails: a guard with a count
DO $$ DECLARE n int; BEGIN
    SELECT count(*) INTO n FROM children WHERE parent_id > 20;
    IF n > 3 THEN RAISE EXCEPTION '% orphans', n; END IF;
END $$;

-- runs: a guard that is content
DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM parents) THEN RAISE EXCEPTION 'load them first'; END IF; END $$;

-- runs: a guard after the repair
DELETE FROM children WHERE parent_id > 20;
DO $$ BEGIN IF EXISTS (SELECT 1 FROM children WHERE parent_id > 20) THEN RAISE EXCEPTION 'dirty'; END IF; END $$;

-- fails: not exactly one
DO $$ DECLARE n int; BEGIN SELECT id INTO STRICT n FROM parents WHERE code = 'nobody'; END $$;

-- fails: an index that cannot be computed
CREATE INDEX ON children ((word::int));

-- runs: an index over the rows that can
CREATE INDEX ON children ((word::int)) WHERE word ~ '^[0-9]+$';

-- fails: divided by nothing
UPDATE children SET amount = 100 / (id - 50);

-- fails: more than one row
UPDATE children SET parent_id = (SELECT id FROM parents p WHERE p.id < children.id);

-- fails: keys that come twice
CREATE TABLE mails (mail text PRIMARY KEY);
INSERT INTO mails SELECT email FROM children WHERE email IS NOT NULL;

-- fails: against a key of this file
ALTER TABLE nobody ADD UNIQUE (id);
INSERT INTO nobody (id) SELECT parent_id FROM children;

-- fails: against a foreign key of this file
ALTER TABLE nobody ADD FOREIGN KEY (x) REFERENCES parents;
INSERT INTO nobody (id, x) VALUES (1, 4711);

-- runs: a foreign key that is gone
ALTER TABLE kept DROP CONSTRAINT kept_parent_id_fkey;
DELETE FROM parents WHERE id < 4;

-- runs: a key that is gone
ALTER TABLE parents DROP CONSTRAINT parents_code_key;
UPDATE parents SET code = 'same';

-- runs: NULL allowed by now
ALTER TABLE parents ALTER name DROP NOT NULL;
UPDATE parents SET name = NULL;

-- fails: against a check that is there
UPDATE parents SET name = '' WHERE id = 3;

-- fails: a checked domain that is there
ALTER TABLE children ALTER word TYPE checked_text;

-- runs: a checked domain that holds
ALTER TABLE children ALTER label TYPE checked_text;

-- fails: set to what the domain refuses
INSERT INTO parents (id, name) VALUES (400, '');

-- runs: swapped tables
CREATE TABLE children_new (LIKE children INCLUDING ALL);
INSERT INTO children_new SELECT * FROM children;
DROP TABLE children;
ALTER TABLE children_new RENAME TO children;
ALTER TABLE children ALTER label SET NOT NULL;

-- fails: rolled back repair
BEGIN;
UPDATE children SET email = 'x' WHERE email IS NULL;
ROLLBACK;
ALTER TABLE children ALTER email SET NOT NULL;

-- runs: deferred until the parent is there
CREATE TABLE later (id int, p int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
INSERT INTO later VALUES (1, 500);
INSERT INTO parents (id) VALUES (500);

-- unknown: a table made of a query
CREATE TABLE copied AS SELECT id, email AS mail FROM children WHERE email IS NOT NULL;
ALTER TABLE copied ADD PRIMARY KEY (id), ALTER mail SET NOT NULL;

-- fails: a query that fails
CREATE TABLE copied AS SELECT id, word::int FROM children;

-- fails: a domain that takes no NULL
CREATE DOMAIN must AS text CHECK (VALUE IS NOT NULL);
ALTER TABLE children ADD m must;

-- fails: a default the domain refuses
ALTER TABLE children ADD m checked_text DEFAULT 'x';

-- runs: a default the domain takes
ALTER TABLE children ADD m checked_text DEFAULT 'xyz';

-- unknown: generated from what changes
ALTER TABLE children ADD twice int GENERATED ALWAYS AS (lower_bound * 2) STORED;
UPDATE children SET lower_bound = 1000 + id;
ALTER TABLE children ADD CHECK (twice > 1000);

-- runs: keys switched off
ALTER TABLE kept DISABLE TRIGGER ALL;
INSERT INTO kept VALUES (50, 4711);

-- fails: written again under a check that is not valid
ALTER TABLE children ADD CONSTRAINT big CHECK (amount > 1) NOT VALID;
UPDATE children SET label = 'x' WHERE id < 3;

-- runs: written around a check that is not valid
ALTER TABLE children ADD CONSTRAINT big CHECK (amount > 1) NOT VALID;
UPDATE children SET label = 'x' WHERE id > 3;

-- fails: NOT VALID, repaired in part
ALTER TABLE children ADD CONSTRAINT big CHECK (amount > 3) NOT VALID;
UPDATE children SET amount = 10 WHERE id = 1;
ALTER TABLE children VALIDATE CONSTRAINT big;

-- fails: a check in the place of another of its name
ALTER TABLE parents DROP CONSTRAINT parents_name_check, ADD CONSTRAINT parents_name_check CHECK (name <> 'n');

-- fails: a key in the place of another of its name
ALTER TABLE children DROP CONSTRAINT children_pkey, ADD CONSTRAINT children_pkey PRIMARY KEY (label, lower_bound, old);

-- fails: a unique key in the place of another of its name
ALTER TABLE parents DROP CONSTRAINT parents_code_key, ADD CONSTRAINT parents_code_key UNIQUE (name);

-- fails: a check refuses what another type makes of the values
ALTER TABLE children ADD CONSTRAINT fine CHECK (amount > 0);
ALTER TABLE children ALTER amount TYPE int USING amount / 4;

-- fails: a check refuses other values of the same type
ALTER TABLE parents ALTER name TYPE text USING '';

-- fails: other values of the same type are equal
ALTER TABLE parents ALTER code TYPE text USING left(code, 1);

-- runs: a check that goes with the change of type
ALTER TABLE parents DROP CONSTRAINT parents_name_check, ALTER name TYPE text USING '';

-- fails: another type loses the parents
ALTER TABLE kept ALTER parent_id TYPE int USING parent_id + 100;

-- fails: another type loses the children
ALTER TABLE parents ALTER id TYPE int USING id + 100;

-- fails: a USING gives NULL
ALTER TABLE parents ALTER name TYPE varchar(10) USING nullif(name, 'n');

-- runs: a key whose type grows
ALTER TABLE parents ALTER id TYPE bigint;

-- fails: a key in the place of the same one, of another column
ALTER TABLE parents DROP COLUMN id CASCADE, ADD COLUMN id int PRIMARY KEY DEFAULT 5;

-- runs: a partition goes and comes back
ALTER TABLE ranges DETACH PARTITION ranges_1;
ALTER TABLE ranges ATTACH PARTITION ranges_1 FOR VALUES FROM (0) TO (10);

-- fails: a partition comes back with more than the default one has left
ALTER TABLE ranges DETACH PARTITION ranges_1;
ALTER TABLE ranges ATTACH PARTITION ranges_1 FOR VALUES FROM (0) TO (12);
