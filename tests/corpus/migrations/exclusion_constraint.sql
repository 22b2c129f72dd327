ALTER TABLE bookings ADD CONSTRAINT bookings_guest_once EXCLUDE USING gist (id WITH =);
