DROP INDEX sessions_token_uq;
