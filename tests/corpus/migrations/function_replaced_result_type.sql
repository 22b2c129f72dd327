CREATE OR REPLACE FUNCTION order_total(wanted integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
