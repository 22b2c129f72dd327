"""Indexes over time: what no longer pays, what decays, and what is missing."""
