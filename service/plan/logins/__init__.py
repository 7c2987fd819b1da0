"""Logins of the provider portal: who has one, what it reaches, who maintains it."""
