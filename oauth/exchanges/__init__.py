"""The grant types of the token endpoint, and what a code or refresh token hangs from."""
