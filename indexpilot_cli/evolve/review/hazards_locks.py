"""Hazards of waiting: who is kept from reading or writing, and for how long."""

from __future__ import annotations

from indexpilot_cli.core.hazard import Hazard, Severity

_DOCS = "https://www.postgresql.org/docs/current/"
_TABLE = _DOCS + "sql-altertable.html#SQL-ALTERTABLE-NOTES"
_LOCKING = _DOCS + "explicit-locking.html#LOCKING-TABLES"

INDEXES = (
    Hazard(
        "L01",
        "index-not-concurrent",
        Severity.ERROR,
        "an index is built while writers wait",
        "CREATE INDEX holds a SHARE lock on the table until its transaction ends: every INSERT, UPDATE and DELETE "
        "waits as long as the build takes. Reads go on.",
        "CREATE INDEX CONCURRENTLY, outside a transaction block. It takes longer and leaves an invalid index behind "
        "when it fails: drop that one and try again.",
        "CREATE INDEX orders_ref_idx ON orders (ref);",
        "CREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);",
        _DOCS + "sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    ),
    Hazard(
        "L02",
        "drop-index-not-concurrent",
        Severity.ERROR,
        "an index is dropped under a lock that is held for long",
        "DROP INDEX takes ACCESS EXCLUSIVE on the table: it queues behind every running query and all later ones queue "
        "behind it. In a transaction the lock stays until COMMIT.",
        "DROP INDEX CONCURRENTLY, outside a transaction block. It cannot drop an index that backs a constraint.",
        "DROP INDEX orders_ref_idx;",
        "DROP INDEX CONCURRENTLY orders_ref_idx;",
        _DOCS + "sql-dropindex.html",
    ),
    Hazard(
        "L03",
        "reindex-not-concurrent",
        Severity.ERROR,
        "an index is rebuilt while readers and writers wait",
        "REINDEX blocks writers and holds ACCESS EXCLUSIVE on the index. A query cannot even be planned on the table "
        "then, whether it would use that index or not.",
        "REINDEX … CONCURRENTLY, outside a transaction block.",
        "REINDEX INDEX orders_ref_idx;",
        "REINDEX INDEX CONCURRENTLY orders_ref_idx;",
        _DOCS + "sql-reindex.html#SQL-REINDEX-CONCURRENTLY",
    ),
    Hazard(
        "L04",
        "unique-builds-index",
        Severity.ERROR,
        "a constraint builds its index under an exclusive lock",
        "ADD UNIQUE, PRIMARY KEY or EXCLUDE builds the index while it holds ACCESS EXCLUSIVE: reads and writes wait.",
        "Build a unique index CONCURRENTLY first, then attach it with USING INDEX, which takes a moment. An EXCLUDE "
        "constraint has no such way: choose a quiet hour.",
        "ALTER TABLE orders ADD CONSTRAINT orders_ref_key UNIQUE (ref);",
        "CREATE UNIQUE INDEX CONCURRENTLY orders_ref_key ON orders (ref);\n"
        "ALTER TABLE orders ADD CONSTRAINT orders_ref_key UNIQUE USING INDEX orders_ref_key;",
        _DOCS + "sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    ),
    Hazard(
        "L05",
        "primary-key-scan",
        Severity.ERROR,
        "a primary key proves NOT NULL by reading the table",
        "PRIMARY KEY USING INDEX on nullable columns reads the whole table under ACCESS EXCLUSIVE to see that no value "
        "is NULL.",
        "Make the columns NOT NULL first, by a CHECK that is validated beside the readers.",
        "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_ref_idx;",
        "ALTER TABLE orders ADD CONSTRAINT ref_set CHECK (ref IS NOT NULL) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT ref_set;\n"
        "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;\n"
        "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_ref_idx;\n"
        "ALTER TABLE orders DROP CONSTRAINT ref_set;",
        _TABLE,
    ),
)

COLUMNS = (
    Hazard(
        "L10",
        "type-change-rewrites",
        Severity.ERROR,
        "a type change rewrites the table",
        "When the stored form of the values changes, the table and all its indexes are written anew under ACCESS "
        "EXCLUSIVE: reads and writes wait. Wider varchar, varchar to text and more numeric digits at the same scale "
        "rewrite nothing.",
        "indexpilot schema-evolve alter-type fills a shadow column in batches and swaps the names in a moment.",
        "ALTER TABLE orders ALTER COLUMN id TYPE bigint;",
        "ALTER TABLE orders ADD COLUMN id_new bigint;",
        _TABLE,
    ),
    Hazard(
        "L11",
        "type-change-rebuilds",
        Severity.ERROR,
        "a type change rebuilds indexes or checks every row",
        "The values stay as they are, but an index with an expression or predicate over the column, or another order "
        "of values, is built again, and a CHECK on it reads every row: all under ACCESS EXCLUSIVE.",
        "Drop the constraint or index first and bring it back beside the readers, NOT VALID and CONCURRENTLY.",
        'ALTER TABLE orders ALTER COLUMN ref TYPE text COLLATE "C";',
        "DROP INDEX CONCURRENTLY orders_ref_idx;\n"
        'ALTER TABLE orders ALTER COLUMN ref TYPE text COLLATE "C";\n'
        "CREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);",
        _TABLE,
    ),
    Hazard(
        "L12",
        "column-rewrites",
        Severity.ERROR,
        "a new column rewrites the table",
        "A volatile default (random(), gen_random_uuid(), clock_timestamp(), nextval() of serial and identity), a "
        "stored generated column and a domain with constraints need a value in every row: the table and its indexes "
        "are written anew under ACCESS EXCLUSIVE. A constant or stable default does not.",
        "Add the column without a default, set the default for new rows, fill the old rows in batches.",
        "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
        "ALTER TABLE orders ADD COLUMN token uuid;\n"
        "ALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();",
        _TABLE,
    ),
    Hazard(
        "L13",
        "column-checked",
        Severity.ERROR,
        "a constraint in a new column reads the whole table",
        "A CHECK, UNIQUE or PRIMARY KEY in the definition of a new column reads every row or builds an index under "
        "ACCESS EXCLUSIVE; REFERENCES does so when the column has a default.",
        "Add the column alone; add the constraint NOT VALID and validate it in another transaction, or build the "
        "index CONCURRENTLY.",
        "ALTER TABLE orders ADD COLUMN amount int CHECK (amount > 0);",
        "ALTER TABLE orders ADD COLUMN amount int;\n"
        "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT amount_positive;",
        _TABLE,
    ),
    Hazard(
        "L14",
        "not-null-scan",
        Severity.ERROR,
        "SET NOT NULL reads the whole table",
        "Every row is read under ACCESS EXCLUSIVE, unless a valid CHECK proves that there is no NULL.",
        "Add CHECK (column IS NOT NULL) NOT VALID, validate it in another transaction, then SET NOT NULL takes a "
        "moment. From PostgreSQL 18 on ADD NOT NULL … NOT VALID and VALIDATE do the same.",
        "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
        "ALTER TABLE orders ADD CONSTRAINT ref_set CHECK (ref IS NOT NULL) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT ref_set;\n"
        "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;\n"
        "ALTER TABLE orders DROP CONSTRAINT ref_set;",
        _TABLE,
    ),
    Hazard(
        "L15",
        "expression-rewrites",
        Severity.ERROR,
        "a new generation expression rewrites the table",
        "SET EXPRESSION of a stored generated column writes the table anew under ACCESS EXCLUSIVE.",
        "Add a second column, fill it in batches and swap the names.",
        "ALTER TABLE orders ALTER COLUMN total SET EXPRESSION AS (price * 2);",
        "ALTER TABLE orders ADD COLUMN total_new numeric;",
        _TABLE,
    ),
)

CONSTRAINTS = (
    Hazard(
        "L20",
        "check-valid",
        Severity.ERROR,
        "a CHECK is added and proved under an exclusive lock",
        "ADD CHECK reads every row under ACCESS EXCLUSIVE: reads and writes wait.",
        "Add it NOT VALID (a moment), then VALIDATE CONSTRAINT in another transaction, beside readers and writers.",
        "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0);",
        "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT amount_positive;",
        _TABLE,
    ),
    Hazard(
        "L21",
        "foreign-key-valid",
        Severity.ERROR,
        "a foreign key is proved while writers of two tables wait",
        "ADD FOREIGN KEY holds SHARE ROW EXCLUSIVE on both tables while it looks for rows without a parent.",
        "Add it NOT VALID, then VALIDATE CONSTRAINT in another transaction.",
        "ALTER TABLE orders ADD CONSTRAINT orders_buyer FOREIGN KEY (buyer) REFERENCES people (id);",
        "ALTER TABLE orders ADD CONSTRAINT orders_buyer FOREIGN KEY (buyer) REFERENCES people (id) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT orders_buyer;",
        _TABLE,
    ),
    Hazard(
        "L22",
        "validated-in-same-transaction",
        Severity.ERROR,
        "NOT VALID and VALIDATE in one transaction",
        "VALIDATE reads the table under a weak lock, but the lock of ADD CONSTRAINT is held until COMMIT: in one "
        "transaction nothing is won.",
        "COMMIT between them.",
        "BEGIN;\nALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT c;\nCOMMIT;",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT c;",
        _TABLE,
    ),
    Hazard(
        "L23",
        "domain-scan",
        Severity.ERROR,
        "a domain's constraint reads every table that uses it",
        "ALTER DOMAIN … ADD CHECK, VALIDATE and SET NOT NULL read each table with a column of the domain under SHARE: "
        "writers wait.",
        "Add it NOT VALID (no table is locked) and validate it at a quiet hour.",
        "ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%');",
        "ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%') NOT VALID;",
        _DOCS + "sql-alterdomain.html",
    ),
)

TABLES = (
    Hazard(
        "L30",
        "attach-scan",
        Severity.ERROR,
        "ATTACH PARTITION reads the new partition or builds its indexes",
        "Without a CHECK that matches the bound, every row of the new partition is read under ACCESS EXCLUSIVE on it; "
        "so is a default partition. Indexes of the parent that it lacks are built meanwhile.",
        "Give the table a matching CHECK, validated before, and the parent's indexes, built CONCURRENTLY.",
        "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
        "ALTER TABLE events_2026 ADD CONSTRAINT bound CHECK (at IS NOT NULL AND at >= '2026-01-01' "
        "AND at < '2027-01-01') NOT VALID;\n"
        "ALTER TABLE events_2026 VALIDATE CONSTRAINT bound;\n"
        "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
        _DOCS + "ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    ),
    Hazard(
        "L31",
        "default-partition-scan",
        Severity.ERROR,
        "a new partition makes the default partition be read",
        "CREATE TABLE … PARTITION OF holds ACCESS EXCLUSIVE on the parent and reads the whole default partition for "
        "rows that belong into the new one.",
        "Give the default partition a valid CHECK that excludes the new bound, or create the table apart and attach.",
        "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
        "ALTER TABLE events_default ADD CONSTRAINT not_now CHECK (at < '2026-01-01' OR at >= '2027-01-01') NOT VALID;\n"
        "ALTER TABLE events_default VALIDATE CONSTRAINT not_now;\n"
        "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
        _DOCS + "ddl-partitioning.html",
    ),
    Hazard(
        "L32",
        "detach-not-concurrent",
        Severity.ERROR,
        "DETACH PARTITION locks the parent for long",
        "It takes ACCESS EXCLUSIVE on the parent: every query on any partition waits until the transaction ends.",
        "DETACH PARTITION … CONCURRENTLY (PostgreSQL 14 and later, no default partition, outside a transaction block).",
        "ALTER TABLE events DETACH PARTITION events_2020;",
        "ALTER TABLE events DETACH PARTITION events_2020 CONCURRENTLY;",
        _DOCS + "sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
    ),
    Hazard(
        "L33",
        "table-rewritten",
        Severity.ERROR,
        "the whole table is written anew",
        "VACUUM FULL, CLUSTER, SET LOGGED, SET ACCESS METHOD and SET TABLESPACE copy it under ACCESS EXCLUSIVE.",
        "For space, plain VACUUM and REINDEX CONCURRENTLY; else a tool that copies beside the writers.",
        "VACUUM FULL orders;",
        "VACUUM orders;",
        _LOCKING,
    ),
    Hazard(
        "L34",
        "refresh-blocks",
        Severity.ERROR,
        "a materialized view is refreshed while its readers wait",
        "REFRESH MATERIALIZED VIEW holds ACCESS EXCLUSIVE on the view while its query runs.",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY: it needs a unique index on the view without a predicate.",
        "REFRESH MATERIALIZED VIEW totals;",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY totals;",
        _DOCS + "sql-refreshmaterializedview.html",
    ),
    Hazard(
        "L35",
        "work-under-lock",
        Severity.ERROR,
        "long work while the transaction holds a lock others need",
        "A lock is held until the transaction ends. What is harmless alone keeps others waiting when an earlier "
        "statement of the same transaction has locked a table.",
        "COMMIT before the long part, or put it into a migration of its own.",
        "BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nUPDATE orders SET note = '';\nCOMMIT;",
        "ALTER TABLE orders ADD COLUMN note text;\nUPDATE orders SET note = '' WHERE id BETWEEN 1 AND 1000;",
        _LOCKING,
    ),
    Hazard(
        "L36",
        "table-locked",
        Severity.ERROR,
        "LOCK TABLE, then long work",
        "An explicit lock is held until the transaction ends.",
        "Lock as weakly and as late as possible; set lock_timeout.",
        "BEGIN;\nLOCK TABLE orders;\nUPDATE orders SET note = '';\nCOMMIT;",
        "BEGIN;\nLOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE;\nUPDATE orders SET note = '';\nCOMMIT;",
        _LOCKING,
    ),
    Hazard(
        "L37",
        "long-block",
        Severity.ERROR,
        "others wait for long",
        "The statement works on something big while its transaction holds a lock that readers or writers need.",
        "Split the work so that what takes long runs without that lock, or run it at a quiet hour.",
        "DO $$ BEGIN ALTER TABLE orders ALTER COLUMN id TYPE bigint; END $$;",
        "ALTER TABLE orders ADD COLUMN id_new bigint;",
        _LOCKING,
    ),
    Hazard(
        "L38",
        "bulk-change",
        Severity.WARNING,
        "very many rows are changed at once",
        "Nobody waits for the table, but every changed row stays locked until the end, dead rows pile up, and a "
        "failure at the end loses all the work.",
        "Change some thousand rows at a time, each batch its own transaction.",
        "UPDATE orders SET note = '';",
        "UPDATE orders SET note = '' WHERE id BETWEEN 1 AND 1000;",
        _DOCS + "routine-vacuuming.html",
    ),
    Hazard(
        "L39",
        "wait-queue",
        Severity.WARNING,
        "somebody stands in front of the lock now",
        "A lock that must wait for an open transaction makes everybody behind it wait too: even a lock held for a "
        "millisecond stops the table for as long as that transaction stays open.",
        "SET lock_timeout to a second or two and try again; end the transaction that is in the way first.",
        "ALTER TABLE orders ADD COLUMN note text;",
        "SET lock_timeout = '1s';\nALTER TABLE orders ADD COLUMN note text;",
        _DOCS + "runtime-config-client.html#GUC-LOCK-TIMEOUT",
    ),
)
