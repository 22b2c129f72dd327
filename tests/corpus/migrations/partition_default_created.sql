CREATE TABLE readings_other PARTITION OF readings DEFAULT;
