"""Requests that somebody act for a member, as the people who ask see them: ask, answer, take back.

Whoever asks for somebody else learns nothing of the roster: a request about nobody looks like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from consent import evidence
from consent.models import Basis, LinkScope
from consent.request_models import (
    RepresentativeRequest,
    RepresentativeRequestEvent,
    RequestChannel,
    RequestState,
    RequestStep,
)
from service import audit
from service.accounts import throttling
from service.accounts.models import Account
from service.clock import now
from service.plan.mailbox.attachments import CheckedFile
from service.plan.members import roster
from service.plan.models import Member

BASES_FOR_ONESELF = (Basis.PERMISSION, Basis.POWER_OF_ATTORNEY)
BASES_FOR_ANOTHER = (Basis.PARENT, Basis.GUARDIAN, Basis.POWER_OF_ATTORNEY, Basis.CONSERVATOR, Basis.EXECUTOR)
SCOPES = (LinkScope.ALL, LinkScope.WITHOUT_SENSITIVE, LinkScope.CLAIMS_ONLY, LinkScope.CLAIMS_WITHOUT_SENSITIVE)
_MOST_OPEN, _A_DAY, _DAY = 5, 10, 86_400


class TooManyRequests(Exception):
    """More requests than anybody needs at once."""


class UnknownRequest(Exception):
    """No such request, or not this person's: both look the same."""


class NotAskedBack(Exception):
    """Nothing was asked, or the request is decided meanwhile."""


@dataclass(frozen=True)
class Person:
    """Who is to act: as typed, with the address a letter would go to, and a number where they have one."""

    given_name: str
    family_name: str
    birth_date: date
    number: str = ""
    address_line: str = ""
    city: str = ""
    state: str = ""
    zip_code: str = ""


@dataclass(frozen=True)
class Whom:
    """The member, as typed from their card."""

    member_number: str
    family_name: str
    birth_date: date


@dataclass(frozen=True)
class Right:
    """What is asked for; both days are included."""

    basis: Basis
    scope: LinkScope
    valid_from: date | None = None
    valid_until: date | None = None
    explanation: str = ""


def ask_for_oneself(
    session: Session, account: Account, member: Member, person: Person, right: Right, files: Sequence[CheckedFile]
) -> RepresentativeRequest:
    """A member asks that `person` act for them; raises TooManyRequests."""
    whom = Whom(member.member_number, member.family_name, member.birth_date)
    made = _request(RequestChannel.ONLINE, person, whom, right, for_oneself=True)
    made.account_id, made.member_id = account.id, member.id
    return _submit(session, made, account, files)


def ask_for_another(
    session: Session, account: Account, person: Person, whom: Whom, right: Right, files: Sequence[CheckedFile]
) -> RepresentativeRequest:
    """Somebody asks to act for `whom`; `person` is themselves. Raises TooManyRequests."""
    made = _request(RequestChannel.ONLINE, person, whom, right, for_oneself=False)
    made.account_id, made.member_id = account.id, _match(session, whom)
    return _submit(session, made, account, files)


def enter_paper(
    session: Session, by: Account, person: Person, whom: Whom, right: Right, files: Sequence[CheckedFile]
) -> RepresentativeRequest:
    """Plan staff enter a form that came on paper, with its scan."""
    made = _request(RequestChannel.PAPER, person, whom, right, for_oneself=right.basis is Basis.PERMISSION)
    made.entered_by_account_id, made.member_id = by.id, _match(session, whom)
    return _add(session, made, files, by_account_id=by.id)


def answer(
    session: Session, request: RepresentativeRequest, account: Account, text: str, files: Sequence[CheckedFile]
) -> None:
    """Answer what the plan asked back; raises NotAskedBack, TooManyFiles."""
    if request.state is not RequestState.ASKED_BACK:
        raise NotAskedBack
    evidence.keep(session, request, files, by_account_id=account.id)
    request.state = RequestState.WAITING
    note(session, request, RequestStep.ANSWERED, text, by_account_id=account.id)


def withdraw(session: Session, request: RepresentativeRequest, account: Account) -> None:
    """Take a request back; one that is decided stays as it is."""
    if not request.is_open:
        return
    request.state, request.decided_at = RequestState.WITHDRAWN, now()
    note(session, request, RequestStep.WITHDRAWN, by_account_id=account.id)


def list_of_account(session: Session, account: Account) -> list[RepresentativeRequest]:
    """Every request of this person, the latest first."""
    mine = select(RepresentativeRequest).where(RepresentativeRequest.account_id == account.id)
    return list(session.scalars(mine.order_by(RepresentativeRequest.asked_at.desc()).limit(100)))


def get_of_account(
    session: Session, account: Account, request_id: str, *, to_change: bool = False
) -> RepresentativeRequest:  # fmt: skip
    """A request of this person; raises UnknownRequest. `to_change` keeps others from changing it meanwhile."""
    mine = (RepresentativeRequest.id == request_id, RepresentativeRequest.account_id == account.id)
    statement = select(RepresentativeRequest).where(*mine)
    found = session.scalar(statement.with_for_update(of=RepresentativeRequest) if to_change else statement)
    if found is None:
        raise UnknownRequest
    return found


def events_of(session: Session, request: RepresentativeRequest) -> list[RepresentativeRequestEvent]:
    """What happened to the request, in order."""
    mine = select(RepresentativeRequestEvent).where(RepresentativeRequestEvent.request_id == request.id)
    ordered = mine.order_by(RepresentativeRequestEvent.at, RepresentativeRequestEvent.id)
    return list(session.scalars(ordered.limit(500)))


def note(
    session: Session, request: RepresentativeRequest, step: RequestStep, text: str = "", *,
    by_account_id: str | None, from_plan: bool = False,
) -> None:  # fmt: skip
    """Keep a step of the request, with its audit row; whoever looked at it before has an older version now."""
    request.version += 1
    session.add(RepresentativeRequestEvent(
        request_id=request.id, step=step, words=text, account_id=by_account_id, from_plan=from_plan,
    ))  # fmt: skip
    session.flush()
    audit.record(
        session, f"consent:representative_request:{step.value}", account_id=by_account_id,
        member_id=request.member_id, detail={"request": request.id},
    )  # fmt: skip


def _submit(
    session: Session, made: RepresentativeRequest, account: Account, files: Sequence[CheckedFile]
) -> RepresentativeRequest:
    open_ones = select(RepresentativeRequest.id).where(
        RepresentativeRequest.account_id == account.id,
        or_(*(RepresentativeRequest.state == state for state in (RequestState.WAITING, RequestState.ASKED_BACK))),
    )  # fmt: skip
    waiting = len(session.scalars(open_ones.limit(_MOST_OPEN)).all())
    if waiting >= _MOST_OPEN or not throttling.hit(session, f"representative-request:{account.id}", _A_DAY, _DAY):
        raise TooManyRequests
    return _add(session, made, files, by_account_id=account.id)


def _add(
    session: Session, made: RepresentativeRequest, files: Sequence[CheckedFile], *, by_account_id: str
) -> RepresentativeRequest:
    session.add(made)
    session.flush()
    evidence.keep(session, made, files, by_account_id=by_account_id)
    on_paper = made.channel is RequestChannel.PAPER
    note(session, made, RequestStep.SUBMITTED, made.explanation, by_account_id=by_account_id, from_plan=on_paper)
    return made


def _request(
    channel: RequestChannel, person: Person, whom: Whom, right: Right, *, for_oneself: bool
) -> RepresentativeRequest:  # fmt: skip
    return RepresentativeRequest(
        state=RequestState.WAITING, channel=channel, for_oneself=for_oneself, given_name=person.given_name,
        family_name=person.family_name, birth_date=person.birth_date, number=person.number,
        address_line=person.address_line, city=person.city, state_code=person.state, zip_code=person.zip_code,
        member_number=whom.member_number, member_family_name=whom.family_name, member_birth_date=whom.birth_date,
        basis=right.basis, scope=right.scope, valid_from=right.valid_from, valid_until=right.valid_until,
        explanation=right.explanation, checks={}, asked_at=now(), version=0,
    )  # fmt: skip


def _match(session: Session, whom: Whom) -> str | None:
    """The member of the roster for whom all three fit."""
    found = roster.find_by_number(session, whom.member_number)
    if found is None or found.birth_date != whom.birth_date:
        return None
    return found.id if roster.same_name(found.family_name, whom.family_name) else None
