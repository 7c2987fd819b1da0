"""SQLite and PostgreSQL, each as it wants to be treated: connections, statements, reading, the replica, the schema."""
