CREATE UNIQUE INDEX events_id_at_uq ON events (id, at);
