ALTER TABLE billing.invoices ALTER COLUMN number TYPE varchar(40), ALTER COLUMN amount TYPE numeric(12, 3);
