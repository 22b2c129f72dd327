ALTER TABLE bookings ADD CONSTRAINT bookings_room_once EXCLUDE USING gist (room_id WITH =);
