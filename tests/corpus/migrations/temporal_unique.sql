ALTER TABLE bookings ADD CONSTRAINT bookings_span UNIQUE (room_id, during WITHOUT OVERLAPS);
