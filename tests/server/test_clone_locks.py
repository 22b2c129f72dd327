"""Locks and work of statements of every class, as the manual and measurements on loaded tables have them."""

import pytest

from indexpilot_cli.core.observation import LockMode, RunState
from indexpilot_cli.db.capabilities import installed
from tests.server.cloning import observe, open_clone, snapshot_from

SHORT = dict(zip(LockMode, ("AS", "RS", "RE", "SUE", "S", "SRE", "E", "AEL"), strict=True))
SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN short AS varchar(20);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE p (id bigint PRIMARY KEY, name varchar(10) NOT NULL, n int, at timestamp, m mood, price numeric(10,2),
    s short, tags varchar(10)[], ch char(5), body text);
CREATE TABLE c (id int PRIMARY KEY, p_id bigint REFERENCES p, q_id bigint, code varchar(5), n int, at timestamp,
    email text);
ALTER TABLE c ADD CONSTRAINT n_ok CHECK (n > 0) NOT VALID;
ALTER TABLE c ADD CONSTRAINT q_fk FOREIGN KEY (q_id) REFERENCES p NOT VALID;
CREATE INDEX c_code ON c (code);
CREATE INDEX c_lower ON c (lower(email));
CREATE INDEX c_part ON c (n) WHERE code = 'x';
CREATE INDEX c_at ON c (at);
CREATE UNIQUE INDEX c_u ON c (n);
CREATE TABLE ev (id int NOT NULL, d date NOT NULL, v text) PARTITION BY RANGE (d);
CREATE TABLE ev_23 PARTITION OF ev FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE ev_24 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE INDEX ev_v ON ev (v);
CREATE TABLE loose (id int NOT NULL, d date NOT NULL, v text);
CREATE TABLE fitting (id int NOT NULL, d date NOT NULL, v text,
    CONSTRAINT fits CHECK (d >= '2026-01-01' AND d < '2027-01-01'));
CREATE TABLE evd (id int, d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE evd_24 PARTITION OF evd FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE evd_rest PARTITION OF evd DEFAULT;
CREATE MATERIALIZED VIEW mv AS SELECT id, n FROM p;
CREATE UNIQUE INDEX mv_u ON mv (id);
CREATE SEQUENCE sq;
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION vol() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION inl() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
CREATE TRIGGER tr BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION trg();
CREATE TABLE nn (a int, b int, CONSTRAINT a_nn CHECK (a IS NOT NULL AND a >= 0), CONSTRAINT b_pos CHECK (b >= 0));
"""
ALL = "c_at c_code c_lower c_part c_pkey c_u"
# statement; tables and the strongest lock on each; work, where * marks an index rebuilt and ~ work that is online
CASES = """
ALTER TABLE c ADD FOREIGN KEY (n) REFERENCES p; c:SRE p:SRE; validate_foreign_key(c)
ALTER TABLE c ADD FOREIGN KEY (n) REFERENCES p NOT VALID; c:SRE p:SRE;
CREATE TABLE x (id int REFERENCES p); p:SRE;
ALTER TABLE c DROP CONSTRAINT c_p_id_fkey; c:AEL p:AEL;
ALTER TABLE c DROP COLUMN p_id; c:AEL p:AEL;
ALTER TABLE c ALTER p_id TYPE bigint; c:AEL p:AEL;
ALTER TABLE c VALIDATE CONSTRAINT n_ok; c:SUE; verify(c)
ALTER TABLE c VALIDATE CONSTRAINT q_fk; c:SUE p:RS; validate_foreign_key(c)
ALTER TABLE c ADD UNIQUE (code); c:AEL; build_index(c.c_code_key)
ALTER TABLE loose ADD PRIMARY KEY (id); loose:AEL; build_index(loose.loose_pkey)
ALTER TABLE c ADD EXCLUDE USING btree (code WITH =); c:AEL; build_index(c.c_code_excl)
ALTER TABLE c ADD CONSTRAINT u UNIQUE USING INDEX c_u; c:AEL;
CREATE INDEX i ON c (n); c:S; build_index(c.i)
CREATE INDEX i ON c USING brin (n); c:S; build_index(c.i)
CREATE INDEX i ON ev (d); ev:S ev_23:S ev_24:S; build_index(ev_23.ev_23_d_idx) build_index(ev_24.ev_24_d_idx)
REINDEX INDEX c_code; c:S c_code:AEL; build_index(c.c_code*)
CREATE TABLE ev_25 PARTITION OF ev FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); ev:AEL;
CREATE TABLE e PARTITION OF evd FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); evd:AEL evd_rest:AEL; verify(evd_rest)
ALTER TABLE ev ATTACH PARTITION loose FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); loose:AEL ev:SUE; \
build_index(loose.loose_v_idx) verify(loose)
ALTER TABLE ev ATTACH PARTITION fitting FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); fitting:AEL ev:SUE; \
build_index(fitting.fitting_v_idx)
ALTER TABLE ev DETACH PARTITION ev_23; ev:AEL ev_23:AEL ev_23_v_idx:AEL;
CREATE TRIGGER t2 BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION trg(); c:SRE;
ALTER TABLE c DISABLE TRIGGER tr; c:SRE;
DROP TRIGGER tr ON c; c:AEL;
ALTER SEQUENCE sq AS int; sq:SRE;
COMMENT ON COLUMN c.n IS 'x'; c:SUE;
ALTER TABLE c ALTER n SET STATISTICS 500; c:SUE;
ALTER TABLE c SET (fillfactor = 90); c:SUE;
CREATE STATISTICS st ON n, code FROM c; c:SUE;
ALTER INDEX c_code RENAME TO c_kode; c_code:SUE;
ALTER TABLE c ALTER code SET STORAGE EXTERNAL; c:AEL;
ALTER TABLE c ENABLE ROW LEVEL SECURITY; c:AEL;
ALTER TABLE c REPLICA IDENTITY FULL; c:AEL;
ALTER TABLE c RENAME CONSTRAINT n_ok TO n_okay; c:AEL;
ALTER DOMAIN short ADD CHECK (VALUE <> ''); p:S; verify(p)
ALTER DOMAIN short ADD CHECK (VALUE <> '') NOT VALID; ;
ALTER DOMAIN short SET NOT NULL; p:S; verify(p)
ALTER TABLE p ALTER name TYPE varchar(20); p:AEL;
ALTER TABLE p ALTER name TYPE text; p:AEL;
ALTER TABLE p ALTER price TYPE numeric(12,2); p:AEL;
ALTER TABLE p ALTER price TYPE numeric(12,4); p:AEL p_pkey:AEL; build_index(p.p_pkey*) rewrite(p)
ALTER TABLE p ALTER ch TYPE text; p:AEL p_pkey:AEL; build_index(p.p_pkey*) rewrite(p)
ALTER TABLE p ALTER body TYPE varchar(30); p:AEL p_pkey:AEL; build_index(p.p_pkey*) rewrite(p)
ALTER TABLE p ALTER tags TYPE varchar(50)[]; p:AEL p_pkey:AEL; build_index(p.p_pkey*) rewrite(p)
ALTER TABLE p ALTER m TYPE text; p:AEL p_pkey:AEL; build_index(p.p_pkey*) rewrite(p)
ALTER TABLE p ALTER at TYPE timestamptz; p:AEL p_pkey:AEL; build_index(p.p_pkey*) rewrite(p)
ALTER TABLE c ALTER email TYPE varchar; c:AEL c_lower:AEL; build_index(c.c_lower*)
ALTER TABLE c ADD x int DEFAULT vol(); c:AEL +all:AEL; +all rewrite(c)
ALTER TABLE c ADD x int DEFAULT inl(); c:AEL;
ALTER TABLE c ADD x timestamptz DEFAULT now(); c:AEL;
ALTER TABLE c ADD x positive DEFAULT 5; c:AEL +all:AEL; +all rewrite(c)
ALTER TABLE c ADD x int CHECK (x > 0); c:AEL; verify(c)
ALTER TABLE c ADD x bigint REFERENCES p; c:AEL p:SRE;
ALTER TABLE c ADD x bigint DEFAULT 5 REFERENCES p; c:AEL p:SRE; validate_foreign_key(c)
ALTER TABLE c ADD x serial; c:AEL +all:AEL; +all rewrite(c)
ALTER TABLE c ALTER n SET NOT NULL; c:AEL; verify(c)
ALTER TABLE nn ALTER a SET NOT NULL; nn:AEL;
ALTER TABLE nn ALTER b SET NOT NULL; nn:AEL; verify(nn)
ALTER TABLE c ADD CONSTRAINT zz CHECK (n < 100); c:AEL; verify(c)
ALTER TABLE c ADD CONSTRAINT zz CHECK (n < 100) NOT VALID; c:AEL;
TRUNCATE c; c:AEL +all:AEL;
CLUSTER c USING c_code; c:AEL +all:AEL; +all rewrite(c)
ANALYZE c; c:SUE;
REFRESH MATERIALIZED VIEW mv; mv:AEL p:AS mv_u:AEL; build_index(mv.mv_u*) refresh(mv) scan(p)
REFRESH MATERIALIZED VIEW CONCURRENTLY mv; mv:E p:AS; refresh(mv) scan(p)
LOCK TABLE c IN SHARE MODE; c:S;
DROP TABLE ev_23; ev:AEL ev_23:AEL ev_23_v_idx:AEL;
DROP INDEX c_code; c:AEL c_code:AEL;
UPDATE c SET n = 5; c:RE; modify(c)
UPDATE c SET n = 1 FROM p WHERE p.id = c.p_id; c:RE p:AS; modify(c) scan(p)
DELETE FROM c WHERE email = 'x'; c:RE; modify(c)
INSERT INTO loose SELECT id, now(), code FROM c; loose:RE c:AS; scan(c) modify(loose)
INSERT INTO loose VALUES (1, '2024-01-01', 'x'); loose:RE;
CREATE TABLE y AS SELECT * FROM c; c:AS; scan(c)
SELECT count(*) FROM c; c:AS; scan(c)
DO $$ BEGIN EXECUTE 'UP' || 'DATE c SET n = 5'; END $$; c:RE; modify(c)
DO $$ BEGIN ALTER TABLE c ADD x uuid DEFAULT gen_random_uuid(); UPDATE p SET n = 3; END $$; c:AEL p:RE +all:AEL; \
+all rewrite(c) modify(p)
DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM c LOOP UPDATE p SET n = 1 WHERE id = r.id; END LOOP; END $$; \
p:RE c:AS; scan(c) modify(p)
"""
ALONE = """
VACUUM FULL loose; loose:AEL; rewrite(loose)
VACUUM c; c:SUE; scan(c~)
CREATE INDEX CONCURRENTLY i ON c (n); c:SUE; build_index(c.i~)
DROP INDEX CONCURRENTLY c_code; c:SUE;
REINDEX INDEX CONCURRENTLY c_code; c:SUE; build_index(c.c_code*~)
REINDEX TABLE ev; ev_23:S ev_24:S ev_23_v_idx:AEL ev_24_v_idx:AEL; build_index(ev_23.ev_23_v_idx*) \
build_index(ev_24.ev_24_v_idx*)
ALTER TABLE ev DETACH PARTITION ev_23 CONCURRENTLY; ev_23:AEL ev:SUE;
DO $$ BEGIN UPDATE c SET n = 5; COMMIT; ALTER TABLE p ADD q int; COMMIT; END $$; p:AEL c:RE; scan(c) modify(c)
"""
FROM_18 = """
ALTER TABLE c ADD CONSTRAINT nn NOT NULL n NOT VALID; c:AEL;
ALTER TABLE c ADD g int GENERATED ALWAYS AS (n * 2) VIRTUAL; c:AEL;
ALTER TABLE c ADD CHECK (n < 5) NOT ENFORCED; c:AEL;
ALTER TABLE c ADD x uuid DEFAULT uuidv7(); c:AEL +all:AEL; +all rewrite(c)
"""


def cases(text):
    text = text.replace("+all:AEL", " ".join(f"{index}:AEL" for index in ALL.split()))
    text = text.replace("+all", " ".join(f"build_index(c.{index}*)" for index in ALL.split()))
    for line in text.replace("\\\n", "").strip().splitlines():
        statement, locks, work = line.rsplit(";", 2)
        yield statement, set(locks.split()), set(work.split())


@pytest.fixture(scope="module", params=[15, 18])
def clone(request, twin_place):
    usable = [b for b in installed() if b.major == request.param]
    if not usable:
        pytest.skip(f"no PostgreSQL {request.param} on this machine")
    source = snapshot_from(usable[0], SCHEMA, settings="ALTER DATABASE shop SET TimeZone = 'Europe/Paris'")
    with open_clone(source, cache_dir=twin_place) as opened:
        yield opened


def locks(statement):
    """Tables with any lock; indexes where planning would wait for the lock, and where it is all there is."""
    held = [lock for lock in statement.held if lock.relation.existed and lock.relation.kind in "rpmS"]
    indexes = [lock for lock in statement.held if lock.relation.existed and lock.relation.kind in "iI"]
    held += [lock for lock in indexes if lock.mode.blocks_reads or not held]
    return {f"{lock.relation.name.name}:{SHORT[lock.mode]}" for lock in held}


def work(statement):
    return {
        f"{w.kind}({w.relation.name.name}{f'.{w.index}' if w.index else ''}{'*' * w.rebuilt}{'~' * w.online})"
        for w in statement.work
    }


def differences(wanted, seen):
    return [
        (statement, observed.state, observed.error, locks(observed), work(observed))
        for (statement, held, done), observed in zip(wanted, seen, strict=True)
        if observed.state is not RunState.RAN or locks(observed) != held or work(observed) != done
    ]


def test_in_transactions(clone):
    wanted = [*cases(CASES), *(cases(FROM_18) if clone.version.startswith("18") else ())]
    texts = [text for statement, _, _ in wanted for text in ("BEGIN", statement, "ROLLBACK")]
    seen = observe(clone, *texts).statements
    assert differences(wanted, seen[1::3]) == []
    assert not any(change for statement in seen[2::3] for change in statement.changes)


def test_alone(clone):
    for case in cases(ALONE):
        seen = observe(clone, case[0]).statements
        assert seen[0].outside_transaction
        assert differences([case], seen) == []
        clone.reset()
