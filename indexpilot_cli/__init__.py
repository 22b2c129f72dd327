"""IndexPilot: PostgreSQL indexes that pay, proved by the planner."""

__version__ = "0.1.0"
