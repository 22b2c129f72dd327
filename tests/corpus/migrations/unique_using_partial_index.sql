CREATE UNIQUE INDEX CONCURRENTLY products_barcode_uq ON products (barcode) WHERE stock > 0;
ALTER TABLE products ADD CONSTRAINT products_barcode_key UNIQUE USING INDEX products_barcode_uq;
