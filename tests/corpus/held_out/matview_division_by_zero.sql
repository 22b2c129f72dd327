CREATE MATERIALIZED VIEW ratios AS SELECT id, total / parcels AS each FROM orders;
