CREATE TABLE copies AS SELECT id, code FROM orders;
ALTER TABLE copies ADD PRIMARY KEY (id);
CREATE INDEX copies_code_idx ON copies (code);
