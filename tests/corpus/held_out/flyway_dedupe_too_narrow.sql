DELETE FROM import_rows a USING import_rows b WHERE a.line = b.line AND a.ctid > b.ctid;
CREATE UNIQUE INDEX import_rows_amount ON import_rows (amount);
