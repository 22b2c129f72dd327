DO $do$
DECLARE n integer;
BEGIN
    SELECT count(*) INTO n FROM information_schema.columns WHERE table_name = 'orders' AND column_name = 'tracking';
    IF n = 0 THEN
        EXECUTE 'ALTER TABLE public.orders ADD COLUMN tracking uuid NOT NULL DEFAULT gen_random_uuid()';
    END IF;
END
$do$;
