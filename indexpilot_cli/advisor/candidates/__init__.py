"""Candidate generation: which indexes are worth asking a planner about, and why the others are not."""

from indexpilot_cli.advisor.candidates.options import CandidateOptions
from indexpilot_cli.advisor.candidates.propose import propose

__all__ = ["CandidateOptions", "propose"]
