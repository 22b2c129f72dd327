ALTER TABLE products ALTER COLUMN price_cents SET EXPRESSION AS ((price * 1000)::bigint);
