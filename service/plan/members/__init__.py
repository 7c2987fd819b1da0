"""Members as the plan knows them."""
