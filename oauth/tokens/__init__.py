"""Tokens in use: kept, read at the API, told of, revoked."""
