ALTER TABLE accounts ALTER COLUMN nickname TYPE varchar(20) USING left(nickname, 20);
