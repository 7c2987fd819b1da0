"""Tax ID & NPI access, of offices and of the firms that bill for them."""
