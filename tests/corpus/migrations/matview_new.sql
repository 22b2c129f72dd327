CREATE MATERIALIZED VIEW states AS SELECT state, count(*) AS n FROM orders GROUP BY state;
