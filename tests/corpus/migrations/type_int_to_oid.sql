ALTER TABLE sessions ALTER COLUMN owner_oid TYPE oid;
