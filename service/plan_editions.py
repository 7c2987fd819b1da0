"""What the plan says to everybody, as its own people have changed it since: editions in the database over the file.

The file gives the first wording of each subject; the newest edition of a subject replaces it. Editions are only added,
so that what was once published can be read again. Nothing else reads them: `EditedPlan` gives the plan as it is now, on
every worker from the commit of an edition on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, ScalarSelect, String, Table, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.clock import now
from service.db import Base, Instant, Statement, append_only, words
from service.plan_file import LineOfBusiness, PhoneLine, Plan, TermsText, TextReview


class Subject(StrEnum):
    """What can be changed without the file."""

    PHONE_LINES = "phone_lines"
    LINES_OF_BUSINESS = "lines_of_business"
    PRIVACY_POLICY = "privacy_policy"
    TERMS = "terms"
    REVIEW = "review"


class PlanEdition(Base):
    """One published change. `name` is the document of terms, or text and language of a review; else empty."""

    __tablename__ = "plan_edition"

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    subject: Mapped[Subject] = mapped_column(words(Subject))
    name: Mapped[str] = mapped_column(String(60), default="")
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(500))
    asked_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    agreed_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime] = mapped_column(Instant, default=now)


append_only(cast(Table, PlanEdition.__table__))

# Counted rather than the highest number: a lower one may be committed later than a higher one.
_COUNT = Statement("SELECT count(*) FROM plan_edition")


def how_many() -> ScalarSelect[int]:
    """The number of editions, as a part of another statement: handed to `EditedPlan.current` it saves one."""
    return select(func.count()).select_from(PlanEdition).scalar_subquery()


class EditedPlan:
    """The plan as it is now; a process reads editions again only when there are more of them."""

    def __init__(self, filed: Plan) -> None:
        self._filed = filed
        self._held: tuple[int, Plan] = (0, filed)

    def current(self, session: Session, *, count: int | None = None) -> Plan:
        """The plan as the database has it now; `count` where the caller knows how many editions there are."""
        if count is None:
            count = _COUNT.run(session).fetchall()[0][0]
        known, plan = self._held
        if known != count:
            editions = list_all(session)
            plan = edited(self._filed, editions)
            self._held = (len(editions), plan)
        return plan

    @property
    def last_known(self) -> Plan:
        """The plan as this process read it last, for pages that tell of a database that does not answer."""
        return self._held[1]


def list_all(session: Session) -> list[PlanEdition]:
    """Every edition, the oldest first."""
    return list(session.scalars(select(PlanEdition).order_by(PlanEdition.number)))


def overruling(filed: Plan, editions: Iterable[PlanEdition]) -> list[PlanEdition]:
    """Of `editions`, the oldest first, those that now stand over other words of a plan file written after them.

    The file is told by its time of writing: nobody keeps what it said before.
    """
    newest = {(one.subject, one.name): one for one in editions}.values()
    return [one for one in newest if filed.written_at and one.at < filed.written_at and _hides_words(filed, one)]


def _hides_words(filed: Plan, edition: PlanEdition) -> bool:
    """Whether the file says something else in its place; a text that the file does not have hides nothing."""
    then = _with(filed, edition.subject, edition.name, edition.content)
    return bool(set(filed.terms) - set(then.terms) or set(filed.reviews) - set(then.reviews)) or (
        replace(then, terms=filed.terms, reviews=filed.reviews) != filed
    )


def edited(filed: Plan, editions: Iterable[PlanEdition]) -> Plan:
    """The plan of the file with these editions over it, the oldest first."""
    for edition in editions:
        filed = _with(filed, edition.subject, edition.name, edition.content)
    return filed


def _with(plan: Plan, subject: Subject, name: str, content: Mapping[str, Any]) -> Plan:
    match subject:
        case Subject.PHONE_LINES:
            lines = tuple(PhoneLine.read(line) for line in content["lines"])
            return replace(plan, phone_lines=lines, tty=content["tty"])
        case Subject.LINES_OF_BUSINESS:
            return replace(plan, lines_of_business=tuple(LineOfBusiness(**line) for line in content["lines"]))
        case Subject.PRIVACY_POLICY:
            return replace(plan, privacy_policy_version=content["version"], privacy_policy_url=content["url"])
        case Subject.TERMS:
            text = TermsText(name, content["title"], content["version"], content["text"])
            return replace(plan, terms=(*(one for one in plan.terms if one.document != name), text))
        case Subject.REVIEW:
            return replace(plan, reviews=_reviewed(plan.reviews, name, content))


def _reviewed(reviews: tuple[TextReview, ...], name: str, content: Mapping[str, Any]) -> tuple[TextReview, ...]:
    """The reviews with this one in place of an older one of the same words; without a reviewer it was withdrawn."""
    text, language = name.split("/")
    same = (text, content["version"], language)
    kept = tuple(one for one in reviews if (one.text, one.version, one.language) != same)
    if not content["reviewed_by"]:
        return kept
    return (*kept, TextReview(*same, content["reviewed_by"], date.fromisoformat(content["reviewed_on"])))
