"""Rows for tests, each complete by itself; give only what the test is about."""

from datetime import UTC, date, datetime
from functools import cache
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from consent.models import PersonalRepresentative
from oauth import registration
from oauth.registration import Registration
from service.accounts.models import Account
from service.accounts.passwords import make_hash
from service.clock import now
from service.plan.models import Member
from service.settings import Settings

_numbers = count(1)
PASSWORD = "Harbor-lights-42!"


def make_member(session: Session, **given: Any) -> Member:
    """A member on the roster."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "patient_id": f"patient-{number}", "member_number": f"MEM{number:08}", "subscriber_number": f"MEM{number:08}",
        "given_name": "Maria", "family_name": f"Alvarez{number}", "birth_date": date(1956, 4, 30), "zip_code": "19104",
        "line_of_business": "Medicare", "loaded_at": now(),
    }  # fmt: skip
    made = Member(**values | given)
    session.add(made)
    session.flush()
    return made


def make_account(session: Session, *, member: Member | None = None, password: str = PASSWORD, **given: Any) -> Account:
    """An account with a verified e-mail address, joined to `member` if given."""
    number = next(_numbers)
    username = given.pop("username", f"person{number}")
    email = given.pop("email", f"{username}@example.org")
    values: dict[str, Any] = {
        "username": username, "username_key": username.casefold(), "email": email, "email_key": email.casefold(),
        "email_verified_at": datetime(2026, 1, 1, tzinfo=UTC),
        "given_name": member.given_name if member else "Dana", "family_name": member.family_name if member else "Reyes",
        "password_hash": _hash_once(password), "member_id": member.id if member else None,
    }  # fmt: skip
    made = Account(**values | given)
    session.add(made)
    session.flush()
    return made


@cache
def _hash_once(password: str) -> str:
    # A real hash, but not a fresh one for each of some thousand accounts.
    return make_hash(password)


def make_client(session: Session, settings: Settings, **given: Any) -> str:
    """An approved public app; returns its id."""
    values: dict[str, Any] = {
        "name": f"Health Diary {next(_numbers)}", "redirect_uris": ["https://app.example.org/callback"],
        "developer_name": "Example Apps Inc.",
    }  # fmt: skip
    view, _secret = registration.register(session, Registration(**values | given), settings=settings)
    return view.id


def make_representative(session: Session, account: Account | None = None, **given: Any) -> PersonalRepresentative:
    """A representative, joined to `account` if given."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "number": f"PR{number:06}", "given_name": "Dana", "family_name": "Reyes",
        "birth_date": date(1980, 2, 29), "account_id": account.id if account else None,
    }  # fmt: skip
    made = PersonalRepresentative(**values | given)
    session.add(made)
    session.flush()
    return made
