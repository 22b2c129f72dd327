"""The JSON of what the workflows find, and what may be asked to be done."""
