"""What a migration would lock, cost, break and lose."""
