BEGIN;
ALTER TABLE accounts ADD COLUMN display_name text;
CREATE FUNCTION accounts_copy_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.display_name := coalesce(NEW.display_name, NEW.full_name);
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_copy_name BEFORE INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION accounts_copy_name();
COMMIT;
