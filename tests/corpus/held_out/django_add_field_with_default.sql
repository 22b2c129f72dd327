BEGIN;
--
-- Add field archived to order
--
ALTER TABLE "orders" ADD COLUMN "archived" boolean DEFAULT false NOT NULL;
ALTER TABLE "orders" ALTER COLUMN "archived" DROP DEFAULT;
COMMIT;
