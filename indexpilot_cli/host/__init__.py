"""The library interface for host applications, thin over the same core as the commands."""
