"""What each release left in a database, and that the newest one serves it: docs/releasing.md."""
