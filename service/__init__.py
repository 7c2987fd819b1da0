"""What everything stands on (modules), and what people see (one package per audience)."""
