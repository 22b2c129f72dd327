"""Published ideas, one file each: what they compute from values, without a server."""
