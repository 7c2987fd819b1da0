"""The plan's provider directory for everybody: people, organizations and places of care, without a token."""
