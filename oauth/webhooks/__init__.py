"""Signed messages to the servers of apps: what happened to what members had agreed to, and to the app itself."""
