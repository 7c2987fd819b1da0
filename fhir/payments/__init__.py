"""Payments to providers as FHIR, for their own software."""
