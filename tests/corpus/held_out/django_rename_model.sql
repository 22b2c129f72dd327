BEGIN;
ALTER TABLE "payments" RENAME TO "shop_payment";
COMMIT;
