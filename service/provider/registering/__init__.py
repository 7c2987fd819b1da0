"""The pages of registration for the portal, up to its validation."""
