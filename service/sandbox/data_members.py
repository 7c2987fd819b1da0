"""Members of data that is not the sandbox's own: put on the roster with a sign-in each, in a list, in the hand-out."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from consent import childhood
from fhir.bulk import groups
from fhir.bulk.models import GroupKind
from service.accounts import opening, passwords
from service.accounts.authentication import find_by_username
from service.plan.members import roster
from service.plan.models import Member
from service.sandbox import handout
from service.sandbox.sign_ins import PASSWORD, Kind
from service.settings import Settings

ROSTER = "members.csv"
LIST = "data-members"


class NoRoster(Exception):
    """The folder has no roster, or none that can be read; the sentence says what is wrong."""


def add(sessions: sessionmaker[Session], settings: Settings, folder: Path) -> list[str]:
    """Open an account for each member of the folder's roster, and tell of them in the hand-out; their user names.

    Their records are loaded before, by `flask fhir load`. Raises NoRoster.
    """
    path = folder / ROSTER
    try:
        rows = list(_rows(path))
    except (OSError, UnicodeDecodeError, csv.Error) as unread:
        raise NoRoster(f"{path} cannot be read: {type(unread).__name__}.") from None
    with sessions.begin() as session:
        summary = roster.load(session, rows)
        if summary.problems:
            raise NoRoster(f"{path}, line {summary.problems[0].line}: {summary.problems[0].why}.")
        childhood.follow_birth_dates(session, summary.born_otherwise, settings.plan.timezone)
        members = [roster.find_by_patient(session, row["patient"]) for row in rows]
        found = [_open(session, number, one) for number, one in enumerate(filter(None, members), start=1)]
        groups.load(session, LIST, "Members of loaded data", GroupKind.PLAN, [row["member_id"] for row in rows])
    told = handout.read(settings)
    ours = {one["username"] for one in found}
    told["accounts"] = [one for one in told["accounts"] if one["username"] not in ours] + found
    kept = [one for one in told.get("groups", ()) if one["id"] != LIST]
    told["groups"] = [{"id": LIST, "kind": GroupKind.PLAN.value, "members": len(found)}, *kept]
    told["data_accounts"] = [one["username"] for one in found]
    handout.write(settings, told)
    return list(told["data_accounts"])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=1):
            # Test data of other origin is often without a number: any will do.
            yield {**row, "patient": row.get("patient") or "", "member_id": row.get("member_id") or f"DATA-{number}"}


def _open(session: Session, number: int, member: Member) -> dict[str, Any]:
    username = f"data-member-{number}"
    if find_by_username(session, username) is None:
        person = opening.NewPerson(
            given_name=member.given_name, family_name=member.family_name, email=f"{username}@example.org",
            member_id=member.id,
        )  # fmt: skip
        opening.open_account(session, person, username=username, password_hash=passwords.make_hash(PASSWORD))
    name = f"{member.given_name} {member.family_name}"
    own = {"relation": "self", "name": name, "member_id": member.member_number, "fhir_id": member.patient_id}
    return {
        "username": username, "password": PASSWORD, "kind": Kind.MEMBER.value, "good_for": "loaded data",
        "members": [own],
    }  # fmt: skip
