"""Remittances: X12 835 files into payments, claims and lines, and the search among them."""
