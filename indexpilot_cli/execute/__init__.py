"""The engine of every change of a database: sessions, steps, watching, what the catalog says afterwards."""
