UPDATE order_items SET unit_price = unit_price / qty;
