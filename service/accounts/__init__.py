"""Anyone who signs in: accounts, passwords, e-mailed codes, sessions, limits, and the pages for them."""
