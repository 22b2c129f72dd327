BEGIN;
DROP MATERIALIZED VIEW sales_daily;
CREATE MATERIALIZED VIEW sales_daily AS SELECT placed_at::date AS day, count(*) AS orders, sum(total) AS revenue FROM orders GROUP BY 1;
CREATE UNIQUE INDEX sales_daily_day ON sales_daily (day);
COMMIT;
