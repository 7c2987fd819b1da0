"""Changes of what the plan says to everybody: asked for by one of its people, published by the word of another.

A wrong phone number sends members to a stranger, and a wrong text binds the plan, so each takes two (security.md 145).
What is published is a new edition (`service.plan_editions`); what somebody agreed to before keeps its own words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from typing import Any

from sqlalchemy.orm import Session

from service import audit, plan_editions
from service.plan.models import ActKind, PendingAct, PlanStaff
from service.plan.staff import second_looks
from service.plan.staff.second_looks import SecondLookRefused
from service.plan_editions import PlanEdition, Subject
from service.plan_file import LineOfBusiness, PhoneLine, Plan, TermsText

_PARAGRAPHS = re.compile(r"\n{2,}")


class NothingNew(SecondLookRefused):
    """All of it is so already."""

    sentence = "All of it stands so already. Nothing was changed."


class VersionTaken(SecondLookRefused):
    """Other words have had this version."""

    sentence = "Another text had this version already. Please give a new one: what people accepted is told by it."


class UnknownLine(SecondLookRefused):
    """A phone line is for a line of business that the plan does not list."""

    sentence = "A phone line is for a line of business that is not listed. Please add that one first."


class LineHasPhone(SecondLookRefused):
    """A line of business is left out that has a phone line."""

    sentence = "A line of business that you leave out has a phone line. Please remove that one first."


@dataclass(frozen=True)
class Asker:
    """Who asks for a change, and why."""

    staff: PlanStaff
    reason: str


def ask_phone_lines(session: Session, plan: Plan, lines: Sequence[PhoneLine], tty: str, by: Asker) -> PendingAct:
    """Ask for other phone lines. Raises NothingNew, UnknownLine, SecondLookRefused."""
    _require_known(lines, plan.lines_of_business)
    changes = [
        _change("Phone lines", "\n".join(map(words_of, plan.phone_lines)), "\n".join(map(words_of, lines))),
        _change("TTY", plan.tty, tty),
    ]  # fmt: skip
    return _ask(session, Subject.PHONE_LINES, "", changes, {"lines": [_kept(line) for line in lines], "tty": tty}, by)


def ask_lines_of_business(session: Session, plan: Plan, lines: Sequence[LineOfBusiness], by: Asker) -> PendingAct:
    """Ask for other lines of business. Raises NothingNew, LineHasPhone, SecondLookRefused."""
    _require_kept(lines, plan.phone_lines)
    changes = [_change("Lines of business", _scopes(plan.lines_of_business), _scopes(lines))]
    content = {"lines": [{"name": line.name, "in_scope": line.in_scope} for line in lines]}
    return _ask(session, Subject.LINES_OF_BUSINESS, "", changes, content, by)


def ask_privacy_policy(
    session: Session, filed: Plan, plan: Plan, *, version: str, url: str, by: Asker
) -> PendingAct:  # fmt: skip
    """Ask to name a new version of the privacy policy, to which developers then attest anew; `filed` as for terms.

    Raises NothingNew, VersionTaken, SecondLookRefused.
    """
    earlier = {filed.privacy_policy_version} | _versions(session, Subject.PRIVACY_POLICY, "")
    if version != plan.privacy_policy_version and version in earlier:
        raise VersionTaken
    changes = [
        _change("Version of the privacy policy", plan.privacy_policy_version, version),
        _change("Its address", plan.privacy_policy_url, url),
    ]  # fmt: skip
    return _ask(session, Subject.PRIVACY_POLICY, "", changes, {"version": version, "url": url}, by)


def ask_terms(session: Session, filed: Plan, now: TermsText, then: TermsText, by: Asker) -> PendingAct:
    """Ask to publish a new version of terms; `filed` is the plan of the file, whose version is not given twice.

    Raises NothingNew, VersionTaken, SecondLookRefused.
    """
    if (now.title, now.text) == (then.title, then.text):
        raise NothingNew
    earlier = {text.version for text in filed.terms if text.document == then.document}
    if then.version in earlier | _versions(session, Subject.TERMS, then.document) | {now.version}:
        raise VersionTaken
    changes = [
        _change(f"{now.title}: version", now.version, then.version), _change("Title", now.title, then.title),
        *_changed_paragraphs(now.text, then.text),
    ]  # fmt: skip
    content = {"title": then.title, "version": then.version, "text": then.text}
    return _ask(session, Subject.TERMS, then.document, changes, content, by)


def ask_review(
    session: Session, *, text: str, version: str, language: str, before: str, reviewed_by: str, reviewed_on: date,
    by: Asker,
) -> PendingAct:  # fmt: skip
    """Ask to mark the translation of that version as reviewed, or with no reviewer as not; `before` says how it is."""
    after = f"reviewed by {reviewed_by} on {reviewed_on.isoformat()}" if reviewed_by else "not reviewed"
    changes = [_change(f"{text} {version}, translation {language}", before, after)]
    content = {"version": version, "reviewed_by": reviewed_by, "reviewed_on": reviewed_on.isoformat()}
    return _ask(session, Subject.REVIEW, f"{text}/{language}", changes, content, by)


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff, plan: Plan) -> None:
    """The second person's yes: the edition is published. `plan` as it is now. Raises SecondLookRefused."""
    subject, name, content = Subject(act.content["subject"]), act.content["name"], act.content["edition"]
    if subject is Subject.PHONE_LINES:
        _require_known([PhoneLine.read(line) for line in content["lines"]], plan.lines_of_business)
    if subject is Subject.LINES_OF_BUSINESS:
        _require_kept([LineOfBusiness(**line) for line in content["lines"]], plan.phone_lines)
    second_looks.approve(session, act, by_account_id=by.account_id)
    edition = PlanEdition(
        subject=subject, name=name, content=content, reason=act.reason,
        asked_by_account_id=act.asked_by_account_id, agreed_by_account_id=by.account_id,
    )  # fmt: skip
    session.add(edition)
    session.flush()
    audit.record(
        session, "plan:edition:publish", account_id=by.account_id, reason=act.reason,
        detail={"edition": edition.number, "subject": subject.value, "name": name, "asked_by": act.asked_by_account_id},
    )  # fmt: skip


def history(session: Session, subject: Subject, name: str = "") -> list[PlanEdition]:
    """What was published of a subject, the newest first."""
    return [one for one in plan_editions.list_all(session) if (one.subject, one.name) == (subject, name)][::-1]


def words_of(line: PhoneLine) -> str:
    """A phone line in a line of words, as plan staff compare it."""
    hours = f"{line.opens:%H:%M} to {line.closes:%H:%M}" if line.opens and line.closes else ""
    days = line.days.value.replace("_", " ") if line.days else ""
    return ", ".join(filter(None, (f"{line.line_of_business}: {line.number}", days, hours, line.language)))


def _ask(
    session: Session, subject: Subject, name: str, changes: list[dict[str, str]], edition: dict[str, Any], by: Asker
) -> PendingAct:  # fmt: skip
    told = [change for change in changes if change["before"] != change["after"]]
    if not told:
        raise NothingNew
    return second_looks.ask(
        session, ActKind.PLAN_EDITION, f"{subject.value}:{name}"[:36], told, by_account_id=by.staff.account_id,
        reason=by.reason, subject=subject.value, name=name, edition=edition,
    )  # fmt: skip


def _change(what: str, before: str, after: str) -> dict[str, str]:
    return {"what": what, "before": before, "after": after}


def _changed_paragraphs(before: str, after: str) -> list[dict[str, str]]:
    old, new = _PARAGRAPHS.split(before), _PARAGRAPHS.split(after)
    return [
        _change("Words", "\n\n".join(old[first:last]), "\n\n".join(new[begin:end]))
        for tag, first, last, begin, end in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
        if tag != "equal"
    ]  # fmt: skip


def _versions(session: Session, subject: Subject, name: str) -> set[str]:
    return {one.content["version"] for one in history(session, subject, name)}


def _kept(line: PhoneLine) -> dict[str, str]:
    times = {"opens": line.opens, "closes": line.closes}
    return {
        "line_of_business": line.line_of_business, "number": line.number, "days": line.days.value if line.days else "",
        "language": line.language, **{name: at.isoformat("minutes") if at else "" for name, at in times.items()},
    }  # fmt: skip


def _scopes(lines: Sequence[LineOfBusiness]) -> str:
    return "\n".join(f"{line.name}: {'registers here' if line.in_scope else 'not served here'}" for line in lines)


def _require_known(phones: Sequence[PhoneLine], lines: Sequence[LineOfBusiness]) -> None:
    if not {phone.line_of_business for phone in phones} <= {line.name for line in lines}:
        raise UnknownLine


def _require_kept(lines: Sequence[LineOfBusiness], phones: Sequence[PhoneLine]) -> None:
    if not {phone.line_of_business for phone in phones} <= {line.name for line in lines}:
        raise LineHasPhone
