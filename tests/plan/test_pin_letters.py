"""The letters with PINs: one page each, what stands on it."""

import re
from datetime import UTC, datetime

from service.plan.registering import pin_letters
from service.plan.registering.mailed_pins import PinLetter, grouped, normal
from service.plan_file import Plan
from tests.conftest import ROOT
from tests.papers import words_of

PARTNERS = ROOT / "tests/plan/partners.toml"
ADDRESS = {"name": "", "line": "100 Sample Mill Rd", "city": "Lowell", "state": "MA", "zip_code": "01852"}


def letter(**given: object) -> PinLetter:
    values = {
        "pin_id": "1", "pin": "ABCDE23456", "attention": "Zoë Ödön", "organization": "Alder Creek (PC)",
        "address": ADDRESS, "expires_at": datetime(2026, 7, 1, 12, tzinfo=UTC),
    }  # fmt: skip
    return PinLetter(**values | given)  # type: ignore[arg-type]


def test_every_letter_has_its_page_with_pin_address_and_end() -> None:
    document = pin_letters.make([letter(), letter(pin="ZZZZZ99999")], Plan.read(PARTNERS), "https://plan.example")
    words = words_of(document)
    assert document.startswith(b"%PDF-") and len(re.findall(rb"/Type /Page\b", document)) == 2
    for part in ("ABCDE-23456", "ZZZZZ-99999", "Partners Example Plan", "100 Sample Mill Rd", "Lowell, MA 01852",
                 "Attention: Zo\xeb \xd6d\xf6n", "Validate your account"):  # fmt: skip
        assert part in words
    assert "Meridian" not in words


def test_the_window_shows_the_name_on_file_or_the_organisations() -> None:
    assert pin_letters.address_lines(letter())[0] == "Alder Creek (PC)"
    assert pin_letters.address_lines(letter(address=ADDRESS | {"name": "Mail room"}))[0] == "Mail room"


def test_a_pin_is_the_same_however_it_is_typed() -> None:
    typed = ("ABCDE-23456", " abcde 23456 ", "ab-cd-e2 34.56", "\uff21BCDE23456")
    assert {normal(one) for one in typed} == {"ABCDE23456"}
    assert grouped("ABCDE23456") == "ABCDE-23456"
