ALTER TABLE "audit_log" ADD "account_id" bigint;
CREATE INDEX CONCURRENTLY "index_audit_log_on_account_id" ON "audit_log" ("account_id");
ALTER TABLE "audit_log" ADD CONSTRAINT "fk_rails_7ac2d1" FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") NOT VALID;
