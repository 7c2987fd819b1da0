"""Requests of personal representatives, their links and their letters."""
