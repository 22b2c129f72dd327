"""What is found, one file per kind of reason; pure: they look at no server."""
