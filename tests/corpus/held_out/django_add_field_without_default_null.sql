BEGIN;
ALTER TABLE "products" ADD COLUMN "supplier" varchar(80) NULL;
COMMIT;
