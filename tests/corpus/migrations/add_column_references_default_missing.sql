ALTER TABLE orders ADD COLUMN plan_id integer DEFAULT 99 REFERENCES plans (id);
