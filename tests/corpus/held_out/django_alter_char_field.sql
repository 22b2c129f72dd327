BEGIN;
ALTER TABLE "orders" ALTER COLUMN "note" TYPE varchar(500) USING "note"::varchar(500);
COMMIT;
