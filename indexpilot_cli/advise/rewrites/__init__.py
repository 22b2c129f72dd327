"""Conditions that no index serves as they are written, the form that one can, and what each costs."""
