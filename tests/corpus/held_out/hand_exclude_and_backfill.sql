ALTER TABLE bookings ADD COLUMN ends timestamp;
UPDATE bookings SET ends = upper(during);
ALTER TABLE bookings ADD CONSTRAINT bookings_room_end EXCLUDE USING gist (room_id WITH =, ends WITH =);
