DO $$
DECLARE m date;
BEGIN
    FOR m IN SELECT generate_series('2026-01-01'::date, '2026-03-01', '1 month') LOOP
        EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
                       to_char(m, 'YYYY_MM'), m, m + interval '1 month');
    END LOOP;
END $$;
