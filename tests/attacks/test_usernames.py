"""Case 102 of security.md: user names that pass for one another, and e-mail addresses that are one."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts import opening, usernames
from service.accounts.models import Account
from service.accounts.opening import NewPerson
from service.accounts.usernames import MixedScripts, UsernameTaken, WrongCharacter
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account


def _open(session: Session, username: str) -> Account:
    person = NewPerson("Dana", "Reyes", f"{len(username)}@example.org")
    return opening.open_account(session, person, username=username, password_hash="-")


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("dana.reyes", "DANA.Reyes"),
        ("dana.reyes", "\uff44\uff41\uff4e\uff41.reyes"),
        ("josé.mora", "jose\u0301.mora"),
        ("strasse1", "Straße1"),
        ("ﬁnley77", "finley77"),
    ],
    ids=["case", "full width", "normal form", "case folded", "ligature"],
)  # fmt: skip
def test_case_102_a_name_is_unique_after_nfkc_and_case_folding(session: Session, taken: str, wanted: str) -> None:
    made = _open(session, taken)
    assert usernames.key(wanted) == made.username_key
    with pytest.raises(UsernameTaken):
        _open(session, wanted)


def test_case_102_every_spelling_signs_in_to_the_one_account(app: Flask, session: Session) -> None:
    account = make_account(session, username="josé.mora")
    session.commit()
    for spelling in ("JOSÉ.MORA", "jose\u0301.mora", "\uff4aosé.mora"):
        assert Visitor(app).sign_in(spelling).location == "/start", spelling
    assert account.username_key == "josé.mora"


@pytest.mark.parametrize("wanted", ["d\u0430na", "p\u0430ypal", "goog\u03bfe"])
def test_case_102_letters_of_several_scripts_are_refused(session: Session, wanted: str) -> None:
    with pytest.raises(MixedScripts):
        _open(session, wanted)


@pytest.mark.parametrize(
    ("taken", "wanted"), [("coco", "\u0441\u043e\u0441\u043e"), ("bill1", "bi111"), ("maria0", "rnaria0")]
)
def test_case_102_a_name_that_looks_like_an_existing_one_is_refused(session: Session, taken: str, wanted: str) -> None:
    _open(session, taken)
    with pytest.raises(UsernameTaken):
        _open(session, wanted)


@pytest.mark.parametrize(
    "wanted",
    ["dana\u200breyes", "dana\u200dreyes", "dana\u2060reyes", "\ufeffdana", "dana\u202ereyes", "dana\u2066reyes",
     "dana\0reyes", "dana.", "dana\u00adreyes"],
    ids=["zero width space", "joiner", "word joiner", "byte order mark", "bidi override", "bidi isolate", "NUL",
         "trailing dot", "soft hyphen"],
)  # fmt: skip
def test_case_102_what_nobody_sees_and_a_trailing_dot_are_refused(session: Session, wanted: str) -> None:
    with pytest.raises(WrongCharacter):
        _open(session, wanted)


def test_case_102_addresses_are_compared_with_the_local_part_folded(
    app: Flask, session: Session, settings: Settings
) -> None:
    account = make_account(session, email="Dana.Reyes@Example.org")
    session.commit()
    assert opening.find_by_email(session, "DANA.REYES@EXAMPLE.ORG") is not None
    session.commit()
    Visitor(app).ask_for_code(account.username, "dana.reyes@example.ORG")
    assert len(letters(session, settings, "Dana.Reyes@Example.org")) == 1
    assert len(session.scalars(select(Account.id)).all()) == 1
