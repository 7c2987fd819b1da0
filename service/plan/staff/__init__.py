"""The plan's own people: their roles, and acts that two of them do."""
