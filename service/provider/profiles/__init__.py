"""Provider Data Profiles."""
