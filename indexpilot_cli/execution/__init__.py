"""Apply and rollback as pure steps and decisions: what comes next, given the log and the catalog."""
