ALTER TABLE "Legacy Items" ADD CONSTRAINT qty_small CHECK ("Qty" < 100);
