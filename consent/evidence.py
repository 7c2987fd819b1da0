"""Files that prove that somebody may act for a member: told by content, kept inert, as files of the mailbox are.

Pictures are drawn anew besides (case 121): a photograph of a paper tells where it was taken.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.request_models import RepresentativeEvidence, RepresentativeRequest
from service import audit
from service.plan.mailbox import attachments, pictures
from service.plan.mailbox.attachments import CheckedFile, TooManyFiles
from service.plan.mailbox.office_files import UnusableFile

MOST_BYTES = attachments.MOST_BYTES
MOST_FILES = 20
"""Of one request, over all its answers; at most `attachments.MOST_FILES` come at a time."""
_KINDS = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"})


class NoEvidence(UnusableFile):
    """A kind of file that holds no signature."""

    sentence = "We take PDF, PNG, JPEG and TIFF files as evidence. Please scan or photograph the signed paper."


class UnknownEvidence(Exception):
    """No such file of this request."""


def check_all(files: Sequence[tuple[str, bytes]]) -> list[CheckedFile]:
    """The (name, content) pairs as they may be kept; raises UnusableFile for the first that may not."""
    checked = attachments.check_all(files)
    for file in checked:
        if file.media_type not in _KINDS:
            raise NoEvidence(file.name)
    return [pictures.drawn_anew(file) for file in checked]


def keep(
    session: Session, request: RepresentativeRequest, files: Sequence[CheckedFile], *, by_account_id: str
) -> None:  # fmt: skip
    """Add files to a request; raises TooManyFiles."""
    if not files:
        return
    if len(list_of(session, request)) + len(files) > MOST_FILES:
        raise TooManyFiles(files[0].name)
    for file in files:
        session.add(RepresentativeEvidence(
            request_id=request.id, name=file.name, media_type=file.media_type, size=len(file.content),
            content=file.content, added_by_account_id=by_account_id,
        ))  # fmt: skip
    session.flush()


def list_of(session: Session, request: RepresentativeRequest) -> list[RepresentativeEvidence]:
    """The files of a request in their order, without their content."""
    mine = select(RepresentativeEvidence).where(RepresentativeEvidence.request_id == request.id)
    return list(session.scalars(mine.order_by(RepresentativeEvidence.added_at, RepresentativeEvidence.id)))


def hand_out(
    session: Session, request: RepresentativeRequest, evidence_id: str, *, to_account_id: str
) -> RepresentativeEvidence:  # fmt: skip
    """One file of the request, recorded before it leaves; raises UnknownEvidence for any other."""
    found = session.get(RepresentativeEvidence, evidence_id)
    if found is None or found.request_id != request.id:
        raise UnknownEvidence
    audit.record(
        session, "consent:representative_evidence:download", account_id=to_account_id, member_id=request.member_id,
        detail={"request": request.id, "file": found.id},
    )  # fmt: skip
    return found
