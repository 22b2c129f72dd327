"""Candidate generation: which indexes are worth asking a planner about, and why the others are not."""

from indexpilot_cli.advise.candidates.options import CandidateOptions
from indexpilot_cli.advise.candidates.propose import propose

__all__ = ["CandidateOptions", "propose"]
