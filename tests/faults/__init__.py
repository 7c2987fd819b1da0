"""The fault harness: a server that is killed again and again, its clients, and an oracle (`make faults`)."""
