"""The documents that people of the portal accept: versioned texts of the plan's file, asked again when they change."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.plan.models import ProviderStaff, StaffStatus, TermsAcceptance
from service.plan_file import TermsText

_HEADING = "## "


class Document(StrEnum):
    """What is accepted: everybody's terms of use, and those of delegates."""

    PROVIDER_PORTAL = "provider_portal"
    DELEGATE = "delegate"


@dataclass(frozen=True)
class Block:
    """A heading or a paragraph of a document."""

    is_heading: bool
    text: str


def blocks_of(text: str) -> list[Block]:
    """The headings (`## `) and paragraphs of a text, apart at empty lines."""
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return [Block(part.startswith(_HEADING), part.removeprefix(_HEADING)) for part in parts if part]


def asked_of(staff: ProviderStaff, texts: Iterable[TermsText]) -> list[TermsText]:
    """The texts that this login must have accepted: delegates both, others the terms of use."""
    is_delegate = staff.is_delegate and staff.status is StaffStatus.ACTIVE
    needed = {Document.PROVIDER_PORTAL, Document.DELEGATE} if is_delegate else {Document.PROVIDER_PORTAL}
    return [text for text in texts if text.document in needed]


def outstanding(session: Session, staff: ProviderStaff, texts: Iterable[TermsText]) -> list[TermsText]:
    """The texts that this login must accept before it goes on; a text changed under its old version counts as new."""
    asked = asked_of(staff, texts)
    if not asked:
        return []
    versions = (
        TermsAcceptance.account_id == staff.account_id,
        TermsAcceptance.document.in_([text.document for text in asked]),
        TermsAcceptance.version.in_([text.version for text in asked]),
    )
    columns = (TermsAcceptance.document, TermsAcceptance.version, TermsAcceptance.text)
    accepted = {tuple(row) for row in session.execute(select(*columns).where(*versions).limit(200))}
    return [text for text in asked if (text.document, text.version, text.text) not in accepted]


def accept(session: Session, account_id: str, text: TermsText) -> None:
    """Keep that the person accepted this version, with the very words (append-only)."""
    session.add(
        TermsAcceptance(account_id=account_id, document=text.document, version=text.version, text=text.text)
    )  # fmt: skip
    session.flush()
    audit.record(
        session, "plan:terms:accept", account_id=account_id,
        detail={"document": text.document, "version": text.version},
    )  # fmt: skip
