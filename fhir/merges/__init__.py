"""Two records of one member made one, and parted again (decision 65)."""
