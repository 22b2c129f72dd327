"""May we act now? Guards are pure: facts and settings in, a verdict with reason and origin out."""
