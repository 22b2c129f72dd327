CREATE TYPE order_status2 AS ENUM ('new', 'paid', 'shipped', 'cancelled', 'returned');
ALTER TABLE orders ALTER COLUMN status TYPE order_status2 USING status::text::order_status2;
