"""Changes of one column, carried out in steps, with the way back."""
