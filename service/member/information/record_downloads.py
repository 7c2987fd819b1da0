"""The whole record to take away: FHIR JSON for other apps and plans, PDF to read. Both ask for a fresh password.

The audit row is written before anything is sent, with how many records there are then.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from consent import representatives
from fhir import store, whole_record
from fhir.storage.results import Resource
from service import audit
from service.accounts.models import Account
from service.accounts.page_files import as_download
from service.accounts.sessions import require_login
from service.accounts.stepping_up import require_recent_password
from service.clock import now
from service.door.admission import BrokenOff, in_places
from service.member.acting import Actor, get_actor, require_choice
from service.member.information import reading, record_pdf
from service.web import Latchstring, db_session, latchstring, request_id, settings

blueprint = Blueprint("record_downloads", __name__, url_prefix="/my-information/download")
_NAME = "health-record"


class RightEnded(BrokenOff):
    """The right to act for the member ended while the file was being sent: it breaks off."""


@dataclass(frozen=True)
class _Wanted:
    """Whose record is sent to whom, for what is read after the request's own transaction."""

    account_id: str
    member_id: str
    base: str


@blueprint.get("/record.json")
@require_login
@require_recent_password()
@require_choice
def bundle() -> ResponseReturnValue:
    """A Bundle of type collection: the record and the people, places and medicines it names, as they are stored."""
    actor = get_actor(for_file=True)
    _record(actor, "json")
    wanted = _Wanted(actor.account.id, actor.choice.member.id, settings().fhir_base)
    name = actor.file_name(_NAME, "json")
    return as_download(name, "application/fhir+json", in_places(_pieces(latchstring(), wanted), request_id()))


@blueprint.get("/record.pdf")
@require_login
@require_recent_password()
@require_choice
def pdf() -> ResponseReturnValue:
    """The pages of My information as one document."""
    actor = get_actor(for_file=True)
    _record(actor, "pdf")
    made = record_pdf.render(db_session(), actor, settings().plan)
    return as_download(actor.file_name(_NAME, "pdf"), "application/pdf", made)


def _record(actor: Actor, form: str) -> None:
    found = store.tally(db_session(), reading.access_of(actor))
    link = actor.choice.link
    audit.record(
        db_session(), "member:information:download", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=link.id if link else None, count=sum(one.number for one in found.values()), detail={"form": form},
    )  # fmt: skip


def _pieces(held: Latchstring, wanted: _Wanted) -> Iterator[bytes]:
    """The Bundle, a piece of the record at a time, so that a long one takes no more memory than a short one.

    Each piece is read in a transaction of its own: one as long as a slow phone's download would hold up others.
    The right is looked up for each, so that a link that ends meanwhile ends the download.
    """
    head = {"resourceType": "Bundle", "type": "collection", "timestamp": now().isoformat(timespec="seconds")}
    yield orjson.dumps(head)[:-1] + b',"entry":['
    place: whole_record.Place | None = None
    joint = b"\n"
    while place is None or not place.is_over:
        with held.sessions() as session:
            access = reading.access_of(_actor(session.get(Account, wanted.account_id), wanted, session))
            place = place or whole_record.start(access)
            found = whole_record.next_piece(session, access, place)
        if found:
            # Whole: for each that is sent the download waits for a place of the door.
            yield joint + b",\n".join(_entry(wanted, one) for one in found)
            joint = b",\n"
    yield b"\n]}\n"


def _entry(wanted: _Wanted, one: Resource) -> bytes:
    address = orjson.dumps(f"{wanted.base}/{one.type}/{one.id}")
    return b'{"fullUrl":' + address + b',"resource":' + one.body + b"}"


def _actor(account: Account | None, wanted: _Wanted, session: Session) -> Actor:
    choice = representatives.right_for(session, account, wanted.member_id) if account is not None else None
    if account is None or choice is None:
        raise RightEnded
    return Actor(account, choice)
