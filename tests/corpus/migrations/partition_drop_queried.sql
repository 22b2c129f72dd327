DROP TABLE readings_north;
