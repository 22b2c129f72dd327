ALTER TABLE "orders" DROP COLUMN "region";
