CREATE TABLE IF NOT EXISTS orders (id integer);
