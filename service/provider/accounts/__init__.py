"""Logins of an organisation: all accounts, delegates, invitations, one's own profile."""
