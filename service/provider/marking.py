"""Marking sentences for the catalogue where they are not shown."""


def N_(sentence: str) -> str:
    """Mark a sentence for the catalogue without translating it here."""
    return sentence
