ALTER DOMAIN country_code ADD CONSTRAINT upper_only CHECK (VALUE = upper(VALUE));
