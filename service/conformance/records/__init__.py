"""The member's records as a run sees them: fetched once, taken apart, and compared with what searches find."""
