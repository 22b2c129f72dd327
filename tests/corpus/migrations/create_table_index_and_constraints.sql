CREATE TABLE wishes (id bigserial PRIMARY KEY, account_id bigint NOT NULL, title text NOT NULL);
CREATE INDEX wishes_account_idx ON wishes (account_id);
ALTER TABLE wishes ADD CONSTRAINT wishes_title_check CHECK (title <> '');
ALTER TABLE wishes ALTER COLUMN title TYPE varchar(40);
