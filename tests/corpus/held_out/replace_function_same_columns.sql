CREATE OR REPLACE FUNCTION account_label(wanted bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT display FROM accounts WHERE id = wanted);
END $$;
