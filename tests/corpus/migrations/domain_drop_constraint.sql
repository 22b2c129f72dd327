ALTER DOMAIN positive_int DROP CONSTRAINT positive_int_check;
