UPDATE order_items SET order_id = 99999999 WHERE order_id = 5 AND line_no = 1;
