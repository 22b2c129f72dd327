"""What statements cost under sets of candidate indexes."""
