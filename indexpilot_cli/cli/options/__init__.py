"""Options, declared once. Every field of a group becomes an option of the command."""
