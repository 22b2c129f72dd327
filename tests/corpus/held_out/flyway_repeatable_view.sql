CREATE OR REPLACE VIEW account_totals AS
SELECT a.id, a.email, sum(o.total) AS spent, count(*) AS placed
FROM accounts a JOIN orders o ON o.account_id = a.id
GROUP BY a.id;
