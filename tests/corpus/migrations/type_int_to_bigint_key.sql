ALTER TABLE billing.invoices ALTER COLUMN id TYPE bigint;
