DO LANGUAGE plpgsql $body$
BEGIN
    PERFORM slow_index('payments', 'reference');
END;
$body$;
