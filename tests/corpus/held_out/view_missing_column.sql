CREATE VIEW shipped AS SELECT id, shipped_on FROM orders;
