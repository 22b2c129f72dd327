ALTER TABLE audit_log ADD CONSTRAINT actor_once UNIQUE (id, actor);
