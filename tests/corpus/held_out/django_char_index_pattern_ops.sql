BEGIN;
CREATE INDEX "orders_code_like" ON "orders" ("code" varchar_pattern_ops);
COMMIT;
