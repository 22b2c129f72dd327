DELETE FROM audit_log WHERE at < '2025-02-01';
