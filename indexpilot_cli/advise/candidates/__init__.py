"""Candidate generation: which indexes are worth asking a planner about, and why the others are not."""

from indexpilot_cli.advise.candidates.propose import propose
from indexpilot_cli.advise.candidates.site import CandidateOptions

__all__ = ["CandidateOptions", "propose"]
