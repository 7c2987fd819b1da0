"""Provider groups, their numbers, addresses and people, and changes they ask for."""
