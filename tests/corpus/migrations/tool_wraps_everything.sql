BEGIN;
CREATE TABLE coupons (code text PRIMARY KEY, percent integer NOT NULL);
INSERT INTO coupons SELECT DISTINCT coupon, 10 FROM orders WHERE coupon IS NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_coupon_fk FOREIGN KEY (coupon) REFERENCES coupons (code);
COMMIT;
