ALTER TABLE sessions RENAME TO login_sessions;
