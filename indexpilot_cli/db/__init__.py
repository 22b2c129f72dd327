"""The only package that imports psycopg: sessions, errors, locks, and what the server says of itself."""
