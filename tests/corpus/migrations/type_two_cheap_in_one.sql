ALTER TABLE billing.invoices ALTER COLUMN number TYPE text, ALTER COLUMN amount TYPE numeric(18, 2);
