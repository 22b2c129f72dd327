DROP FUNCTION order_total(integer);
CREATE FUNCTION order_total(wanted uuid) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
