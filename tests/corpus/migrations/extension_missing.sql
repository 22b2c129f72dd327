CREATE EXTENSION postgis_of_the_moon;
