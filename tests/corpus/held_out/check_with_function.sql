CREATE FUNCTION is_code(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$ BEGIN RETURN t LIKE 'ord-%'; END $f$;
ALTER TABLE orders ADD CONSTRAINT code_form CHECK (is_code(code)) NOT VALID;
