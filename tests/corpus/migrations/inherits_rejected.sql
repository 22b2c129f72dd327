ALTER TABLE payments INHERIT orders;
