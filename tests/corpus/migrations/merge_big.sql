MERGE INTO accounts a USING (SELECT account_id, count(*) AS n FROM orders GROUP BY account_id) o ON o.account_id = a.id
WHEN MATCHED THEN UPDATE SET balance = a.balance + o.n;
