"""Members looked up with a reason, seen under a banner, and the records and looks that a privacy officer guards."""
