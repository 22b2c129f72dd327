ALTER TABLE orders ADD COLUMN x intger;
