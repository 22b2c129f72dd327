ALTER TABLE sessions ADD COLUMN id bigserial;
