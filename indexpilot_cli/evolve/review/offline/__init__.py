"""What a migration does where nothing can be run: the manual's table of locks and work, read as code."""
