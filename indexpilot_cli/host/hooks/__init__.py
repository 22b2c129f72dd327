"""Ready-made hooks: every statement that SQLAlchemy, Django or psycopg runs becomes rows of query statistics."""
