CREATE INDEX CONCURRENTLY "audit_actor_ix" ON "audit_log" ("actor");
