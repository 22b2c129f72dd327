SET statement_timeout = '10min';
UPDATE accounts SET phone = NULL WHERE phone = 'none';
