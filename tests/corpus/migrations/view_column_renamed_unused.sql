ALTER VIEW account_totals RENAME COLUMN email TO mail;
