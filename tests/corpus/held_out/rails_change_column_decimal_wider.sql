ALTER TABLE "billing"."invoices" ALTER COLUMN "amount" TYPE decimal(20,2);
