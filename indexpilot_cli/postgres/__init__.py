"""The only room that imports psycopg: questions to a server, answered as model values."""
