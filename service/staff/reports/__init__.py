"""Reports in the staff console: Patient Access usage, how far authorizations came, accounting of disclosures."""
