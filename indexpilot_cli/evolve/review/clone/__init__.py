"""The schema clone: an empty copy of a database on which a migration really runs, watched and shut in."""
