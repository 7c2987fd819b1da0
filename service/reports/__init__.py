"""What the plan answers for, counted from the audit stream: Patient Access usage, accounting of disclosures."""
