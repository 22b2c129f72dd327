CREATE INDEX import_ratio_idx ON import_rows ((100 / (line - 500)));
