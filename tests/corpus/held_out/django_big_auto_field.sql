BEGIN;
ALTER TABLE "contacts" ALTER COLUMN "id" TYPE bigint USING "id"::bigint;
COMMIT;
