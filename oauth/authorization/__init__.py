"""The authorization request: checked, kept while its person decides, answered."""
