"""Apps: their registration, what is refused of one, and what changes its standing."""
