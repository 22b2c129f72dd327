CREATE TABLE products_clean AS SELECT id, legacy_code::integer AS legacy FROM products;
