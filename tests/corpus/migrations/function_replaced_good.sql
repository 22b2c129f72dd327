CREATE OR REPLACE FUNCTION account_label(wanted bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(full_name, email) FROM accounts WHERE id = wanted
$$;
