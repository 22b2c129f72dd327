ALTER TABLE accounts ALTER COLUMN flags TYPE bit varying(32);
