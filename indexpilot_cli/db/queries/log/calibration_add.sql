INSERT INTO {schema}.calibrations (document) VALUES (%(document)s)
