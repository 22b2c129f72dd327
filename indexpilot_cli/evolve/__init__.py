"""Schema changes: what they lock, cost, break and lose, their safer form, and the way back."""
