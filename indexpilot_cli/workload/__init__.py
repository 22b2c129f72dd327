"""Text in, query templates out."""
