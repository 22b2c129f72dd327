"""The documents of the API: what was found, how old it is, and what is to be thought of it."""
