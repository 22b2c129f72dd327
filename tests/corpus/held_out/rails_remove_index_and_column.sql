BEGIN;
DROP INDEX "index_orders_on_region";
ALTER TABLE "orders" DROP COLUMN "region";
COMMIT;
