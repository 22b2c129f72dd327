CREATE UNIQUE INDEX accounts_nick_uq ON accounts (lower(nickname)) WHERE nickname IS NOT NULL;
