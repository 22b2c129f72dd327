-- nothing to do here
SELECT 1;
