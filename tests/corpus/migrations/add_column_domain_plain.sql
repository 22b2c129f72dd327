ALTER TABLE orders ADD COLUMN remark plain_text;
