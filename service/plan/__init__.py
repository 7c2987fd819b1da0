"""The plan's own records: its tables, their loaders and their rules."""
