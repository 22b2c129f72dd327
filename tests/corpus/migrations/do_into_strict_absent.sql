DO $$
DECLARE
    wanted integer;
BEGIN
    SELECT id INTO STRICT wanted FROM plans WHERE code = 'plan-33';
    UPDATE tenants SET plan_id = wanted WHERE id = 5;
END $$;
