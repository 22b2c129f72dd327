ALTER TABLE orders ADD COLUMN plan_id integer DEFAULT 1 REFERENCES plans (id);
