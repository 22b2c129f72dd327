ALTER FUNCTION order_total(integer) RENAME TO total_of_order;
