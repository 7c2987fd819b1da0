"""Who may see or do what for whom. Knows no HTTP."""
