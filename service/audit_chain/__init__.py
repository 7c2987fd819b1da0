"""The audit made tamper-evident: rows sealed in one chain, signed checkpoints outside the database, verifier, purge."""
