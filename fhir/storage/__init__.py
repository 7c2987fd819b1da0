"""Beneath the store: the hot statements, batches of writing, bodies as stored, what is rendered on read."""
