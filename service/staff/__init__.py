"""The staff console: what the plan's own people see."""
