BEGIN;
ALTER TYPE pay_method RENAME TO pay_method_old;
CREATE TYPE pay_method AS ENUM ('card', 'bank');
ALTER TABLE payments ALTER COLUMN method TYPE pay_method USING method::text::pay_method;
DROP TYPE pay_method_old;
COMMIT;
