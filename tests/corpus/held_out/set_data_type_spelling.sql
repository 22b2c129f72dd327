ALTER TABLE IF EXISTS ONLY orders ALTER coupon SET DATA TYPE character varying (120);
