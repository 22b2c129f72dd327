SET statement_timeout = '40ms';
UPDATE orders SET note = 'seen' WHERE note IS NULL;
