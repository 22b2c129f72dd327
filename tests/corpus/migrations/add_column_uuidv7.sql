ALTER TABLE orders ADD COLUMN public_id uuid DEFAULT uuidv7();
