ALTER TABLE "sessions" ADD CONSTRAINT "fk_rails_a1" FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") NOT VALID;
ALTER TABLE "sessions" VALIDATE CONSTRAINT "fk_rails_a1";
