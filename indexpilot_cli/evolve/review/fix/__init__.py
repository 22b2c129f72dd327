"""Safer files."""
