"""The decision: candidates, costs, selection, reasons. No input or output of its own."""
