ALTER TABLE billing.invoices
    ADD COLUMN memo text,
    ADD COLUMN due date DEFAULT CURRENT_DATE,
    ALTER COLUMN number TYPE varchar(10),
    ALTER COLUMN paid SET DEFAULT true;
