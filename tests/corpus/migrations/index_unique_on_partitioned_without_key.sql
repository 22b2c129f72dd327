CREATE UNIQUE INDEX events_id_uq ON events (id);
