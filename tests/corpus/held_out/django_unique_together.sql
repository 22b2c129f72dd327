BEGIN;
ALTER TABLE "order_items" ADD CONSTRAINT "items_order_product_uniq" UNIQUE ("order_id", "line_no", "product_id");
COMMIT;
