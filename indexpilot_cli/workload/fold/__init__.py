"""Observed statements to templates that a planner accepts."""
