"""User names that pass for one another are refused; e-mail addresses are compared as people mean them."""

import pytest
from sqlalchemy.orm import Session

from service.accounts import opening, usernames
from service.accounts.models import Account
from service.accounts.opening import NewPerson
from service.accounts.usernames import MixedScripts, UsernameTaken, WrongCharacter, WrongLength

PERSON = NewPerson("Dana", "Reyes", "dana@example.org")


@pytest.mark.parametrize(
    "name", ["dana", "Dana.Reyes-2", "josé_77", "d@na+1", "\u041e\u043b\u044c\u0433\u043077", "李小龙李"]
)
def test_ordinary_names_are_usable(session: Session, name: str) -> None:
    usernames.require_usable(session, name)


@pytest.mark.parametrize("name", ["abc", "a" * 65, ""])
def test_too_short_and_too_long_names_are_refused(session: Session, name: str) -> None:
    with pytest.raises(WrongLength):
        usernames.require_usable(session, name)


@pytest.mark.parametrize(
    "name", ["da na", "dana\u200b1", "dana\u202e1", "dana\x001", "dana.", ".dana", "dana\n", "da\u2060na"]
)
def test_invisible_characters_and_marks_at_the_ends_are_refused(session: Session, name: str) -> None:
    with pytest.raises(WrongCharacter):
        usernames.require_usable(session, name)


def test_letters_of_two_scripts_are_refused(session: Session) -> None:
    with pytest.raises(MixedScripts):
        usernames.require_usable(session, "d\u0430na")


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("Scorpa", "SCORPA"),
        ("scorpa", "\uff53corpa"),
        ("coco", "\u0441\u043e\u0441\u043e"),
        ("bill1", "bi111"),
        ("maria0", "rnaria0"),
        ("maria0", "mariao"),
        ("jose\u0301", "jos\u00e9"),
        ("straße", "strasse"),
    ],
)
def test_a_name_like_a_taken_one_is_refused(session: Session, taken: str, wanted: str) -> None:
    opening.open_account(session, PERSON, username=taken, password_hash="-")
    with pytest.raises(UsernameTaken):
        usernames.require_usable(session, wanted)


def test_two_people_are_never_given_one_name_whatever_the_look_before_said(session: Session) -> None:
    session.add(
        Account(
            username="dana1", username_key="dana1", email="x@example.org", email_key="x@example.org", given_name="D",
            family_name="R", password_hash="-",
        )
    )  # fmt: skip
    session.flush()
    with pytest.raises(UsernameTaken):
        opening.open_account(session, PERSON, username="dana1", password_hash="-")


@pytest.mark.parametrize("address", ["a@b.org", "maria.o'neil+x@mail.example.org", "ñ@example.org"])
def test_addresses_we_write_to(address: str) -> None:
    assert usernames.is_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "@b.org",
        "a@",
        "a b@c.org",
        "a@b..org",
        "a@b.org\r\nBcc: c@d.org",
        "a@b.org,c@d.org",
        "a@-b.org",
        "a\u200bna@b.org",
        "ana@ex\u00adample.org",
    ],
)
def test_addresses_we_do_not_write_to(address: str) -> None:
    assert not usernames.is_email(address)


def test_addresses_are_compared_with_both_parts_folded() -> None:
    assert usernames.email_key(" Maria@Example.ORG ") == usernames.email_key("maria@example.org")
