CREATE UNIQUE INDEX products_barcode_uq ON products (barcode) WHERE stock > 0;
