ALTER TABLE orders ADD COLUM x integer;
