ALTER TABLE orders SET (fillfactor = 900);
