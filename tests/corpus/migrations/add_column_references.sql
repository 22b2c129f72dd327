ALTER TABLE orders ADD COLUMN plan_id integer REFERENCES plans (id);
