"""The decision: candidates, costs, selection, reasons."""
