"""May we act now? Facts and settings in, a verdict with reason and origin out."""
