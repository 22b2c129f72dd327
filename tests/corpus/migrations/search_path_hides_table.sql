SET search_path = billing;
CREATE INDEX invoices_issued_idx ON invoices (issued);
