"""User names that pass for one another are refused; e-mail addresses are compared as people mean them."""

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from service import domains
from service.accounts import opening, usernames
from service.accounts.models import Account
from service.accounts.opening import AccountExists, NewPerson
from service.accounts.usernames import MixedScripts, UsernameTaken, WrongCharacter, WrongLength

_LAST, _INNER = "\u03c3\u03b1\u03c2", "\u03c3\u03b1\u03c3"
"""Two words of Greek that differ in the sigma alone."""
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


@pytest.mark.parametrize(
    "address",
    [
        "a@b.org",
        "maria.o'neil+x@mail.example.org",
        "ñ@example.org",
        "ana@bücher.example",
        "ana@xn--bcher-kva.example",
        "ana@例え.jp",
    ],
)
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
        "ana@b\u00fccher\ufe0f.example",
        "ana@ex_ample.org",
        "ana@ex\u2603ample.org",
        "ana@xn--abc-.example",
        "ana@xn--.example",
        "ana@xn--999999999999.example",
        "ana@ab--cd.example",
        f"ana@{'b' * 64}.example",
        f"ana@{'ü' * 60}.example",
        "ana@\u0301a.example",
    ],
)
def test_addresses_we_do_not_write_to(address: str) -> None:
    assert not usernames.is_email(address)


def test_addresses_are_compared_with_both_parts_folded() -> None:
    assert usernames.email_key(" Maria@Example.ORG ") == usernames.email_key("maria@example.org")


@pytest.mark.parametrize(
    "domain",
    [
        "bücher.example",
        "xn--bcher-kva.example",
        "XN--Bcher-KVA.Example",
        "BU\u0308CHER.example",
        "bücher\u3002example",
        "b\uff55\u0308cher\uff0eexample",
    ],
)
def test_one_domain_is_one_address_however_it_is_written(domain: str) -> None:
    assert usernames.email_key(f"Ana@{domain}") == "ana@bücher.example"
    assert domains.for_mail(domain) == "xn--bcher-kva.example"


def test_letters_that_only_look_like_others_make_another_domain() -> None:
    assert len({usernames.email_key(f"ana@{one}.example") for one in ("straße", "strasse", _LAST, _INNER)}) == 4
    assert usernames.email_key("ana@STRAẞE.example") == usernames.email_key("ana@xn--strae-oqa.example")
    lunate, usual = (usernames.email_key(f"ana@{one}.example") for one in ("\u03f2", _INNER[-1]))
    assert lunate == usual, "as UTS 46 maps it"


@given(st.text(max_size=80))
def test_the_form_compared_is_the_form_of_itself(domain: str) -> None:
    assert domains.folded(domains.folded(domain)) == domains.folded(domain)
    if domains.is_domain(domain):
        assert domains.folded(domains.for_mail(domain)) == domains.folded(domain)


def test_two_ways_to_write_a_domain_do_not_open_two_accounts(session: Session) -> None:
    first = opening.open_account(
        session, NewPerson("Ana", "Ruiz", "ana@bücher.example"), username="ana.ruiz", password_hash="-"
    )  # fmt: skip
    again = NewPerson("Ana", "Ruiz", "Ana@XN--bcher-kva.example")
    assert opening.find_by_email(session, again.email) is first
    with pytest.raises(AccountExists):
        opening.open_account(session, again, username="ana.again", password_hash="-")
    assert first.email == "ana@bücher.example", "kept as it was typed"


def test_the_migration_folds_as_the_service_does() -> None:
    migration = importlib.import_module("migrations.versions.0064_one_form_of_domains")
    odd = ("Bücher.example", "XN--bcher-kva.example", "xn--abc-.example", "xn--n3h.example", "xn--.x", "straße.de")
    for domain in odd:
        assert migration._key(f"Ana@{domain}") == usernames.email_key(f"Ana@{domain}"), domain
