"""CERT: estimates of the planner held against counted rows."""
