"""The consent screen, its words, the member's own counts beside each box, and the receipts of what was agreed."""
