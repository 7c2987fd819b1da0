"""A payment whose payee the plan's records do not name: provider services say whose it is, and take it back."""

from pathlib import Path

import pytest

from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.portal import enter, in_english, proof_of
from tests.plan.era import Interchange, payee, transaction

pytestmark = pytest.mark.browser


@in_english(360)
def test_staff_give_a_payment_to_its_group_and_take_it_back(story: Story, codes: Codes, tmp_path: Path) -> None:
    paid = transaction(number="EFT977001", of=payee("979999990", None))
    story.sandbox.flask("remittances", "load", str(Interchange([paid]).write(tmp_path)))
    ruth = enter(story, codes, "ruth", "/staff/remittances")
    ruth.look("waiting")
    ruth.follow("EFT977001")
    ruth.look("whose")
    ruth.page.locator("#number").fill("1")
    ruth.press("Find")
    ruth.look("no-group-found")
    ruth.page.locator("#number").fill(proof_of(story.sandbox, "Maple Bend Family Medicine")["tax_id"])
    ruth.press("Find")
    ruth.press("Assign to this group")
    ruth.look("none-chosen")
    ruth.page.get_by_label("Maple Bend Family Medicine").first.check()
    ruth.press("Assign to this group")
    ruth.look("assigned-and-listed")
    ruth.follow("EFT977001")
    ruth.look("assigned")
    ruth.press("Take it back")
    ruth.look("no-reason")
    ruth.field("Why is it not this group's?").fill("The bank says it is another practice of this name.")
    ruth.press("Take it back")
    ruth.heading("EFT977001")
    ruth.reads("Whose payment is it?")
    ruth.look("waits-again")
