CREATE OR REPLACE FUNCTION order_total(wanted integer) RETURNS numeric LANGUAGE plpgsql STABLE AS $body$
DECLARE
    answer numeric;
BEGIN
    SELECT sum(i.qty * i.unit_price * (1 - o.rebate)) INTO answer
    FROM order_items i JOIN orders o ON o.id = i.order_id WHERE i.order_id = wanted;
    RETURN answer;
END;
$body$;
