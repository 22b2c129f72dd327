CREATE FUNCTION items_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orders SET touched_at = now() WHERE id = NEW.order_id;
    RETURN NEW;
END $$;
CREATE TRIGGER items_touch AFTER INSERT ON order_items FOR EACH ROW EXECUTE FUNCTION items_touch();
