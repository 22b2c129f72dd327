-- Rows that make migrations fail: each of the cases beside this file stumbles over some of them.
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN percent AS int;
CREATE TABLE cu (
    id bigint PRIMARY KEY,
    email text,
    code text,
    handle varchar(40) DEFAULT 'none',
    age int,
    born text,
    flag text,
    feeling text,
    share percent,
    address text,
    document text,
    token text
);
CREATE TABLE od (
    id bigint PRIMARY KEY,
    cu_id bigint,
    status text,
    note text,
    amount numeric(14, 4),
    qty int,
    big bigint,
    span int4range,
    placed date
);
CREATE TABLE li (id bigint PRIMARY KEY, od_id bigint REFERENCES od, pos int, UNIQUE (od_id, pos));
CREATE TABLE late (id int PRIMARY KEY, od_id bigint REFERENCES od DEFERRABLE INITIALLY DEFERRED, n int);
CREATE TABLE guarded (id int PRIMARY KEY, v int, w int);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.v < 0 THEN RAISE EXCEPTION 'v must not be negative'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows are kept'; END $$;
CREATE TRIGGER keep BEFORE DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION keep();
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN IF n = 77 THEN RAISE EXCEPTION 'not 77'; END IF; RETURN 2 * n; END $$;
CREATE PROCEDURE settle() LANGUAGE plpgsql AS
    $$ BEGIN UPDATE od SET qty = 100 / qty; END $$;
CREATE TABLE ev (at date NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE ev_rest PARTITION OF ev DEFAULT;
CREATE TABLE ev_old (at date NOT NULL, kind text);
CREATE VIEW open_od AS SELECT id, status FROM od WHERE status = 'new' WITH LOCAL CHECK OPTION;
CREATE MATERIALIZED VIEW per_unit AS SELECT id, 1 AS price FROM od WITH NO DATA;
CREATE SEQUENCE tickets;
CREATE TABLE ticket (id int PRIMARY KEY DEFAULT nextval('tickets'), v text);

INSERT INTO cu
SELECT i, 'user' || (i % 7990) || '@example.org', 'c' || i, left('handle of user number ' || i, 40), i % 90,
       '2020-01-' || (i % 40), CASE i % 3 WHEN 0 THEN 'yes' WHEN 1 THEN 'no' ELSE 'perhaps' END,
       CASE WHEN i % 500 = 0 THEN 'torn' ELSE 'glad' END, CASE WHEN i % 1000 = 0 THEN NULL ELSE i % 150 END,
       'host' || i, 'no json', 'token'
FROM generate_series(1, 8000) i;
INSERT INTO od
SELECT i, i * 2, CASE WHEN i % 900 = 0 THEN 'lost' ELSE 'new' END, CASE WHEN i % 700 = 0 THEN NULL ELSE 'n' || i END,
       i * 10000.5, i % 50, 2147483000 + i::bigint, int4range(i, i + 3), date '2024-01-01' + i % 400
FROM generate_series(1, 8000) i;
INSERT INTO li SELECT i, 1 + i % 8000, i / 8000 FROM generate_series(1, 16000) i;
INSERT INTO late SELECT i, i, i FROM generate_series(1, 100) i;
INSERT INTO guarded SELECT i, i - 50, i FROM generate_series(1, 100) i;
INSERT INTO ev SELECT date '2024-01-01' + i FROM generate_series(1, 300) i;
INSERT INTO ev_old SELECT date '2022-01-01' + i FROM generate_series(1, 800) i;
INSERT INTO ticket (v) SELECT 'v' FROM generate_series(1, 50);
ALTER TABLE od ADD CONSTRAINT od_status CHECK (status <> 'lost') NOT VALID;
ALTER TABLE od ADD CONSTRAINT od_cu FOREIGN KEY (cu_id) REFERENCES cu NOT VALID;
VACUUM ANALYZE;
