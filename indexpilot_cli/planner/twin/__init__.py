"""The planner twin: a scratch server with production's schema and statistics and none of its rows."""
