BEGIN;
CREATE TABLE "reviews" ("id" bigserial primary key, "order_id" integer NOT NULL, "stars" integer, "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL, CONSTRAINT "fk_rails_r1" FOREIGN KEY ("order_id") REFERENCES "orders" ("id"));
CREATE INDEX "index_reviews_on_order_id" ON "reviews" ("order_id");
COMMIT;
