BEGIN;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
-- Running upgrade  -> 1f3a
ALTER TABLE accounts ADD COLUMN locale VARCHAR(8) DEFAULT 'en' NOT NULL;
INSERT INTO alembic_version (version_num) VALUES ('1f3a');
COMMIT;
