ALTER TABLE products RENAME COLUMN attrs TO attributes;
