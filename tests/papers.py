"""What stands in a PDF, as a reader would copy it out."""

from io import BytesIO

from pypdf import PdfReader


def words_of(document: bytes) -> str:
    """The texts of all pages, with one space wherever there is space."""
    pages = PdfReader(BytesIO(document)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())
