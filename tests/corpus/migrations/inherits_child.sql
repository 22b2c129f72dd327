CREATE TABLE orders_special (extra text) INHERITS (orders);
