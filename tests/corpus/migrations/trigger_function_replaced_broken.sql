CREATE OR REPLACE FUNCTION log_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_log (tag, actor) VALUES ('payment', NEW.payer);
    RETURN NEW;
END $$;
