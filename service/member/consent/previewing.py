"""What an app would see today: the member's own counts beside each box of the consent screen and of the console.

Counted under an Access that is never wider than the grant would be, in one statement, with its audit row.
"""

from collections.abc import Iterable

from flask_babel import get_locale, gettext, ngettext
from sqlalchemy.orm import Session

from consent import data_types
from consent.policy import consent_preview
from consent.scopes import ScopeSet
from fhir import store
from fhir.compartment import PATIENT_ELEMENT, RENDERED_TYPES
from fhir.storage.results import Tally
from service import audit, days
from service.db import from_microseconds
from service.member.acting import Actor

_UNCOUNTED = frozenset({"Patient", "RelatedPerson", "Person"}) | RENDERED_TYPES
"""One's name and one's choices are not records that a number tells anything of."""


def preview(
    session: Session, actor: Actor, scopes: ScopeSet, *, client_id: str, sensitive: frozenset[str] = frozenset(),
    grant_id: str | None = None,
) -> dict[str, str]:  # fmt: skip
    """A sentence for each data type and part of `scopes` (after policy) that holds records of the member's, by key."""
    if not scopes.resources:
        return {}
    access = consent_preview(actor.account, actor.choice, scopes, client_id=client_id, sensitive=sensitive)
    boxes = {
        key: (part.resource_type, part.restriction)
        for kind in data_types.asked(scopes)
        for key, part in data_types.boxes(scopes, kind).items()
    }
    tallies = store.tally(session, access, boxes.values())
    told = {
        kind.key: _sum(tallies[name, ()] for name in kind.resource_types if (name, ()) in tallies)
        for kind in data_types.asked(scopes)
        if kind.resource_types & (PATIENT_ELEMENT.keys() - _UNCOUNTED)
    }
    audit.record(
        session, "consent:preview:count", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=access.link_id, client_id=client_id, grant_id=grant_id, count=sum(one.number for one in told.values()),
    )  # fmt: skip
    parts = {key: tallies.get(part, Tally(0, None)) for key, part in boxes.items()}
    return {key: _sentence(one) for key, one in (told | parts).items()}


def _sum(found: Iterable[Tally]) -> Tally:
    every = list(found)
    newest = max((one.newest for one in every if one.newest is not None), default=None)
    return Tally(sum(one.number for one in every), newest)


def _sentence(found: Tally) -> str:
    if not found.number:
        return str(gettext("No records today."))
    number = ngettext("%(num)s record today", "%(num)s records today", found.number)
    if found.newest is None:
        return f"{number}."
    # Days of records have no time zone: they are kept at midnight UTC.
    day = days.in_words(from_microseconds(found.newest).date(), get_locale() or "en")
    return str(gettext("%(number)s, the newest of %(day)s.", number=number, day=day))
