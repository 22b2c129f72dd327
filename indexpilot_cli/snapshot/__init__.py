"""What the advisor needs of a database: a live server or a file."""
