ALTER TABLE billing.invoices ALTER COLUMN amount TYPE integer;
