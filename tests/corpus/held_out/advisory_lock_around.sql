SELECT pg_advisory_lock(42);
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_paid_idx ON payments (paid_at);
SELECT pg_advisory_unlock(42);
