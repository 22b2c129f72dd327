ALTER TABLE payments ADD FOREIGN KEY (order_id, fee) REFERENCES order_items (order_id, line_no) MATCH FULL;
