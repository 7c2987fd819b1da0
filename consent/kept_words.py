"""The words of consent pages, each page once: what it said to everybody whom the same app asked the same.

A page is named by the digest of its words, as a logo is by its picture's, and stays for good: decisions name it.
"""

import hashlib
from typing import Any, cast

import orjson
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.models import ConsentPage


class AlteredWords(Exception):
    """The page is not there, or its words are not those that its digest was made of."""


def keep(session: Session, words: dict[str, Any]) -> str:
    """Keep the words of a page, unless they are kept already, and return their digest."""
    digest = digest_of(words)
    if session.get(ConsentPage, digest) is None:
        table = cast(Table, ConsentPage.__table__)
        on_postgresql = session.get_bind().dialect.name == "postgresql"
        insert = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
        session.execute(insert.values(digest=digest, words=words).on_conflict_do_nothing())
    return digest


def get(session: Session, digest: str) -> dict[str, Any]:
    """The words of a page; raises AlteredWords where they are not what was kept."""
    found = session.get(ConsentPage, digest)
    if found is None or digest_of(found.words) != digest:
        raise AlteredWords
    return found.words


def digest_of(words: dict[str, Any]) -> str:
    """SHA-256 of the words, hexadecimal."""
    return hashlib.sha256(orjson.dumps(words, option=orjson.OPT_SORT_KEYS)).hexdigest()
