"""File, environment and flags become one Settings value, and every value knows where it came from."""
