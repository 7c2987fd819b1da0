"""The conformance self-test: a client of its own that knows a server by its address and a file of accounts and apps."""
