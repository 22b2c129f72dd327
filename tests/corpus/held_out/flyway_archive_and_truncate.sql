BEGIN;
LOCK TABLE import_rows IN EXCLUSIVE MODE;
CREATE TABLE import_rows_old AS TABLE import_rows;
TRUNCATE import_rows;
COMMIT;
