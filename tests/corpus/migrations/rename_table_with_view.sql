BEGIN;
ALTER TABLE sessions RENAME TO login_sessions;
CREATE VIEW sessions AS SELECT * FROM login_sessions;
COMMIT;
