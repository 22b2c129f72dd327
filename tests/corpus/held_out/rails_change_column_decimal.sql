ALTER TABLE "payments" ALTER COLUMN "amount" TYPE decimal(12,4);
