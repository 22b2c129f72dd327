ALTER TABLE billing.invoices ALTER COLUMN amount TYPE numeric(5, 1);
