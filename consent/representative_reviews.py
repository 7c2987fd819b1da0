"""Requests that somebody act for a member, as plan staff decide them: match, check, ask back, refuse, link.

Refusing is one person's word. Linking opens a member's record to somebody else, so two say yes (security.md 145).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import representative_ids, representative_notices, representatives
from consent.birthdays import majority, twelfth_birthday
from consent.link_refusals import LinkRefused
from consent.link_words import BASES, SCOPES
from consent.models import LinkScope, PersonalRepresentative
from consent.representative_requests import UnknownRequest, note
from consent.request_models import RefusalReason, RepresentativeRequest, RequestChannel, RequestState, RequestStep
from service.accounts.models import Account
from service.clock import now
from service.days import in_words
from service.plan.members import roster
from service.plan.models import ActKind, Guard, Member, PendingAct, PlanStaff
from service.plan.staff import record_guards, second_looks
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused

CHECKS = ("identity", "member", "authority", "extent", "safety")
"""What must be found right before anybody is linked (45 CFR 164.514(h)), by key."""


class ReviewRefused(SecondLookRefused):
    """This step cannot be taken; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Decided(SecondLookRefused):
    """It is no longer open."""

    sentence = "This request was decided or taken back meanwhile. Nothing was changed now."


class ThingsChanged(SecondLookRefused):
    """It is not what the first person looked at."""

    sentence = "The request has changed since this was asked. Please refuse it, look again and ask anew."


class Changed(SecondLookRefused):
    """It is not what the page showed."""

    sentence = "The request has changed since you opened the page. Nothing was changed now. Please read it again."


class NotMatched(SecondLookRefused):
    """Nobody knows for whom."""

    sentence = "First say which member this is about."


class NotChecked(SecondLookRefused):
    """The check-list has a gap."""

    sentence = "First tick every line of the check-list and save it."


class NobodyToAsk(SecondLookRefused):
    """A paper form has no reader on-line."""

    sentence = "This came on paper, so nobody would read a question here. Please call or write."


class NoSuchMember(SecondLookRefused):
    """The number is nobody's."""

    sentence = "No member has this number."


@dataclass(frozen=True)
class Proposal:
    """What is to be linked, never more than the evidence covers; both days are included. `evidence`: what was seen."""

    scope: LinkScope
    evidence: str
    valid_from: date | None = None
    valid_until: date | None = None


def list_in(session: Session, *states: RequestState, limit: int = 200) -> list[RepresentativeRequest]:
    """The requests that stand so, the oldest first."""
    statement = select(RepresentativeRequest).where(RepresentativeRequest.state.in_(states))
    return list(session.scalars(statement.order_by(RepresentativeRequest.asked_at).limit(limit)))


def list_decided(session: Session) -> list[RepresentativeRequest]:
    """The latest that are no longer open."""
    over = RepresentativeRequest.decided_at.is_not(None)
    return list(session.scalars(
        select(RepresentativeRequest).where(over).order_by(RepresentativeRequest.decided_at.desc()).limit(20)
    ))  # fmt: skip


def count_waiting(session: Session) -> int:
    """How many wait for the plan."""
    waiting = RepresentativeRequest.state == RequestState.WAITING
    return session.scalars(select(func.count()).select_from(RepresentativeRequest).where(waiting)).one()


def get(session: Session, request_id: str, *, to_change: bool = False) -> RepresentativeRequest:
    """One request; raises UnknownRequest. `to_change` keeps others from changing it meanwhile."""
    statement = select(RepresentativeRequest).where(RepresentativeRequest.id == request_id)
    found = session.scalar(statement.with_for_update(of=RepresentativeRequest) if to_change else statement)
    if found is None:
        raise UnknownRequest
    return found


def match(session: Session, request: RepresentativeRequest, member_number: str, *, by: PlanStaff) -> None:
    """Say which member it is about; raises SecondLookRefused, NotOneself."""
    _require_open(session, request, by)
    member = roster.find_by_number(session, member_number)
    if member is None:
        raise NoSuchMember
    _require_no_guard(session, member, by)
    request.member_id, request.member, request.checks = member.id, member, {}
    note(session, request, RequestStep.MATCHED, by_account_id=by.account_id, from_plan=True)


def check(session: Session, request: RepresentativeRequest, found: Collection[str], *, by: PlanStaff) -> None:
    """Keep which lines of the check-list were found right, and by whom; raises SecondLookRefused, NotOneself."""
    _require_open(session, request, by)
    request.checks = {key: request.checks.get(key, by.account_id) for key in CHECKS if key in found}
    told = ", ".join(request.checks) or "nothing"
    note(session, request, RequestStep.CHECKED, told, by_account_id=by.account_id, from_plan=True)


def ask_back(session: Session, request: RepresentativeRequest, question: str, *, by: PlanStaff) -> None:
    """Ask whoever asked for more; raises SecondLookRefused, NotOneself."""
    _require_open(session, request, by)
    if request.channel is RequestChannel.PAPER:
        raise NobodyToAsk
    request.state = RequestState.ASKED_BACK
    note(session, request, RequestStep.ASKED, question, by_account_id=by.account_id, from_plan=True)
    representative_notices.news(session, request.account)


def refuse(
    session: Session, request: RepresentativeRequest, reason: RefusalReason, words: str, *, by: PlanStaff
) -> None:  # fmt: skip
    """Say no; whoever asked reads `words`, but neutral ones for PROTECTION. Raises SecondLookRefused, NotOneself."""
    _require_open(session, request, by)
    act = find_act(session, request)
    if act is not None:
        second_looks.refuse(session, act, by_account_id=by.account_id, reason="The request was refused.")
    request.state, request.refusal, request.decided_at = RequestState.REFUSED, reason, now()
    note(session, request, RequestStep.REFUSED, words, by_account_id=by.account_id, from_plan=True)
    representative_notices.news(session, request.account)


def propose(
    session: Session, request: RepresentativeRequest, proposal: Proposal, timezone: ZoneInfo, *, by: PlanStaff
) -> PendingAct:  # fmt: skip
    """Ask a second person to link; raises SecondLookRefused, NotOneself. Days are those of `timezone`, the plan's."""
    _require_open(session, request, by)
    if request.member is None:
        raise NotMatched
    if set(request.checks) != set(CHECKS):
        raise NotChecked
    if find_act(session, request) is not None:
        raise second_looks.AlreadyAsked
    known = find_representative(session, request)
    _require_linkable(session, known, request)
    note(session, request, RequestStep.PROPOSED, proposal.evidence, by_account_id=by.account_id, from_plan=True)
    return second_looks.ask(
        session, ActKind.REPRESENTATIVE_LINK, request.id, _changes(request, request.member, proposal, known, timezone),
        by_account_id=by.account_id, reason=proposal.evidence, version=request.version, scope=proposal.scope.value,
        valid_from=_iso(proposal.valid_from), valid_until=_iso(proposal.valid_until),
    )  # fmt: skip


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff, timezone: ZoneInfo) -> None:
    """The second person's yes: the two are linked, and who is no member gets an ID. Raises as `propose`."""
    request = get(session, act.subject_id, to_change=True)
    _require_open(session, request, by)
    if request.version != act.content["version"] or request.member is None:
        raise ThingsChanged
    second_looks.approve(session, act, by_account_id=by.account_id)
    who = find_representative(session, request) or _enter(session, request)
    try:
        made = representatives.link(
            session, who, request.member, basis=request.basis, timezone=timezone,
            scope=LinkScope(act.content["scope"]), evidence=act.reason[:200],
            valid_from=_midnight(act.content["valid_from"], timezone),
            valid_until=_midnight(act.content["valid_until"], timezone, days=1), by_account_id=by.account_id,
        )  # fmt: skip
    except LinkRefused as refusal:
        raise ReviewRefused(refusal.sentence) from None
    request.state, request.decided_at = RequestState.LINKED, now()
    request.representative_id, request.link_id = who.id, made.id
    note(session, request, RequestStep.LINKED, by_account_id=by.account_id, from_plan=True)
    representative_notices.news(session, request.account)
    representative_notices.begun(session, made)


def find_act(session: Session, request: RepresentativeRequest) -> PendingAct | None:
    """What waits for a second person about this request."""
    return second_looks.find_waiting(session, ActKind.REPRESENTATIVE_LINK, request.id)


def is_closed_to(session: Session, request: RepresentativeRequest, by: PlanStaff) -> bool:
    """Whether this person of the plan is one of the two, so that a colleague must decide."""
    try:
        _require_other(session, request, by)
    except NotOneself:
        return True
    return False


def find_representative(session: Session, request: RepresentativeRequest) -> PersonalRepresentative | None:
    """Who is to act, if they are known: by their account, or by a number that fits name and birth date."""
    if request.account is not None and not request.for_oneself:
        return representatives.representative_of(session, request.account)
    by_number = PersonalRepresentative.number == representatives.normal_number(request.number)
    found = session.scalar(select(PersonalRepresentative).where(by_number)) if request.number else None
    if found is not None and _fits(request, found.family_name, found.birth_date):
        return found
    member = find_as_member(session, request)
    if member is None:
        return None
    of_member = session.scalar(select(PersonalRepresentative).where(PersonalRepresentative.member_id == member.id))
    account = _account_of(session, member)
    return of_member or (representatives.representative_of(session, account) if account else None)


def find_as_member(session: Session, request: RepresentativeRequest) -> Member | None:
    """The member who is to act, where the number given is theirs and name and birth date fit."""
    found = roster.find_by_number(session, request.number) if request.number else None
    return found if found is not None and _fits(request, found.family_name, found.birth_date) else None


def _enter(session: Session, request: RepresentativeRequest) -> PersonalRepresentative:
    """A new representative: with their account, as the member they are, or with an ID to register with."""
    own = request.account if not request.for_oneself else None
    member = session.get(Member, own.member_id) if own and own.member_id else find_as_member(session, request)
    account = own or (_account_of(session, member) if member else None)
    made = PersonalRepresentative(
        given_name=request.given_name, family_name=request.family_name, birth_date=request.birth_date,
        number=None if account or member else representative_ids.issue(session),
        member_id=member.id if member else None, account_id=account.id if account else None,
        address_line=request.address_line, city=request.city, state=request.state_code, zip_code=request.zip_code,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _require_open(session: Session, request: RepresentativeRequest, by: PlanStaff) -> None:
    if not request.is_open:
        raise Decided
    _require_other(session, request, by)


def _require_other(session: Session, request: RepresentativeRequest, by: PlanStaff) -> None:
    if by.account_id == request.account_id:
        raise NotOneself
    who = find_representative(session, request)
    if who is not None and who.account_id == by.account_id:
        raise NotOneself
    if request.member is not None:
        _require_no_guard(session, request.member, by)


def _require_no_guard(session: Session, member: Member, by: PlanStaff) -> None:
    if record_guards.find_guard(session, by, member) is Guard.OWN:
        raise NotOneself


def _require_linkable(session: Session, who: PersonalRepresentative | None, request: RepresentativeRequest) -> None:
    assert request.member is not None
    try:
        if who is None:
            representatives.require_open_to(request.member, request.basis)
        else:
            representatives.require_linkable(session, who, request.member, request.basis)
    except LinkRefused as refusal:
        raise ReviewRefused(refusal.sentence) from None


def _changes(
    request: RepresentativeRequest,
    member: Member,
    proposal: Proposal,
    known: PersonalRepresentative | None,
    timezone: ZoneInfo,
) -> list[dict[str, str]]:
    who = f"{request.full_name}, born {in_words(request.birth_date)}"
    way = "is registered as representative" if known else "is new as representative"
    dates = f"from {_day(proposal.valid_from, 'today')} until {_day(proposal.valid_until, 'it is ended')}"
    if representatives.is_childs(member, request.basis, timezone):
        grown_up, older = majority(member.birth_date, timezone), twelfth_birthday(member.birth_date, timezone)
        dates += f" or the member turns 18 on {in_words(grown_up.date())}"
        dates += f", without very personal topics from {in_words(older.date())} on"
    right = f"{who} ({way}), as {BASES[request.basis]}: {SCOPES[proposal.scope]}, {dates}"
    what = f"Who acts for {member.full_name}, {member.member_number}"
    return [{"what": what, "before": "not this person", "after": right}]


def _fits(request: RepresentativeRequest, family_name: str, birth_date: date) -> bool:
    return birth_date == request.birth_date and roster.same_name(family_name, request.family_name)


def _account_of(session: Session, member: Member) -> Account | None:
    return session.scalar(select(Account).where(Account.member_id == member.id))


def _day(on: date | None, otherwise: str) -> str:
    return in_words(on) if on else otherwise


def _iso(on: date | None) -> str | None:
    return on.isoformat() if on else None


def _midnight(on: str | None, timezone: ZoneInfo, *, days: int = 0) -> datetime | None:
    return datetime.combine(date.fromisoformat(on) + timedelta(days=days), time(), timezone) if on else None
