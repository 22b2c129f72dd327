CREATE INDEX events_brin ON audit_log USING brin (at);
