"""Which app is calling an endpoint."""
