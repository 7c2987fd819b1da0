"""Remittance Inquiry: pages, PDF, CSV."""
