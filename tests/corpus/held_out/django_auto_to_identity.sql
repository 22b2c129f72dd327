BEGIN;
ALTER TABLE "products" ALTER COLUMN "id" TYPE bigint;
ALTER SEQUENCE "products_id_seq" AS bigint;
COMMIT;
