"""Version 0064: domains of addresses in one form. Where that makes two accounts of one address, it stops."""

import pytest
from alembic import command
from alembic.util import CommandError

from service.accounts import usernames
from service.sandbox import schema
from service.settings import Settings
from tests.migrating import ask, database_url, migrating, open_accounts

__all__ = ["config", "database_url"]

config = migrating("0063")
_KEYS = "SELECT id, email_key FROM account ORDER BY id"


def test_keys_of_odd_domains_are_written_anew_and_the_others_left(settings: Settings, config: object) -> None:
    kept = {
        "a": ("dana@example.org", "dana@example.org"), "b": ("Ana@XN--bcher-kva.example", "ana@xn--bcher-kva.example"),
        "c": ("ñ@example.org", "ñ@example.org"), "d": ("li@straße.example", "li@strasse.example"),
        "e": ("li@strasse.examples", "li@strasse.examples"), "f": ("x@xn--no-code-.example", "x@xn--no-code-.example"),
    }  # fmt: skip
    open_accounts(settings, **kept)
    command.upgrade(config, "0064")
    found = dict(ask(settings, _KEYS))
    assert found == {one: usernames.email_key(address) for one, (address, _) in kept.items()}
    assert found["b"] == "ana@bücher.example" and found["d"] == "li@straße.example"
    command.downgrade(config, "0063")
    command.upgrade(config, "head")
    assert dict(ask(settings, _KEYS)) == found


def test_accounts_that_share_an_address_stop_it_and_are_named_by_id(settings: Settings, config: object) -> None:
    open_accounts(
        settings, first=("ana@bücher.example", "ana@bücher.example"), third=("x@example.org", "x@example.org"),
        second=("ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"),
    )  # fmt: skip
    with pytest.raises(CommandError) as stopped:
        command.upgrade(config, "head")
    told = str(stopped.value)
    assert "first and second" in told and "third" not in told and "Schema 0064" in told and "ana@" not in told
    assert schema.current_revision(settings) == "0063"
    assert dict(ask(settings, _KEYS))["second"] == "ana@xn--bcher-kva.example"
    # As docs/releasing.md says, where nobody can be reached.
    ask(settings, "UPDATE account SET email = 'second@unreachable.invalid', email_key = 'second@unreachable.invalid'"
                  " WHERE id = 'second'")  # fmt: skip
    command.upgrade(config, "head")


def test_other_places_that_keep_addresses_follow(settings: Settings, config: object) -> None:
    open_accounts(settings, first=("new@example.org", "new@example.org"))
    ask(settings, (
        "INSERT INTO email_change (id, account_id, login_session_id, old_email, old_email_key, new_email, begun_at,"
        " expires_at, changed_at, undo_hash, undo_until) VALUES ('c', 'first', 's', 'ana@xn--bcher-kva.example',"
        " 'ana@xn--bcher-kva.example', 'new@example.org', 1, 9, 2, 'h', 9)"
    ))  # fmt: skip
    command.upgrade(config, "head")
    assert ask(settings, "SELECT old_email_key FROM email_change") == [("ana@bücher.example",)]


def test_odd_domains_stop_nothing_and_have_the_key_by_which_the_program_looks_for_them(
    settings: Settings, config: object, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each is a code that could be read, and says what is no label of a domain (RFC 5891 §4.2.3)."""
    odd = {
        "hyphen": _code('-bücher'), "last": _code('bücher-'),
        "third": _code('bü--cher'), "mark": _code('\u0301ab'),
        "unseen": _code('a\u034fb'), "joiner": _code('a\u200db'),
        "space": _code('a b ü'), "dot": _code('ü.example', ""),
        "beyond": "x@xn--99999999.example", "nothing": "x@xn--.example",
        "empty": "x@xn--bcher-kva..example", "none": "x@ü",
    }  # fmt: skip
    kept = {one: (address, address.casefold()) for one, address in odd.items()}
    # Who has the letters that such a code would say is somebody else: they need not be reached before an upgrade.
    kept |= {"letters": ("x@-bücher.example", "x@-bücher.example"), "sound": ("y@xn--bcher-kva.example",) * 2}
    open_accounts(settings, **kept)
    command.upgrade(config, "0064")
    found = dict(ask(settings, _KEYS))
    assert found == {one: usernames.email_key(address) for one, (address, _) in kept.items()}
    assert found["hyphen"] == odd["hyphen"] != found["letters"] and found["sound"] == "y@bücher.example"
    told = capfd.readouterr().err
    assert [one for one in (*odd, "letters") if f"account {one}" not in told] == []
    assert "account sound" not in told and "@" not in told


def _code(label: str, rest: str = ".example") -> str:
    return f"x@xn--{label.encode('punycode').decode('ascii')}{rest}"
