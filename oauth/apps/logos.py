"""Logos of apps, kept under the digest of their bytes: an address never shows another picture than it was made for.

`logo_reading` beside it makes them of what a developer sends. It stands apart, so that a web server that only shows
logos does not load what reads pictures.
"""

import hashlib
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from oauth.models import AppLogo


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture fit to be shown: a small PNG that was drawn here. Made by `oauth.apps.logo_reading` only."""

    png: bytes

    @property
    def digest(self) -> str:
        """What names it: SHA-256 of its bytes, hexadecimal."""
        return hashlib.sha256(self.png).hexdigest()


def keep(session: Session, logo: Logo) -> str:
    """Keep a logo and return its digest. The picture stays for good, since receipts show it."""
    table = cast(Table, AppLogo.__table__)
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
    session.execute(insert.values(digest=logo.digest, png=logo.png).on_conflict_do_nothing())
    return logo.digest


def find(session: Session, digest: str) -> bytes | None:
    """The PNG of this digest."""
    return session.scalar(select(AppLogo.png).where(AppLogo.digest == digest))
