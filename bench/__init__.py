"""What a request costs: the product on granian against a bare route of the same app, on SQLite and PostgreSQL."""
