UPDATE accounts SET nickname = left(nickname, 30) WHERE length(nickname) > 30;
ALTER TABLE accounts ALTER COLUMN nickname TYPE varchar(30);
