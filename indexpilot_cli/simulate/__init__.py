"""The demo database: believable data and traffic."""
