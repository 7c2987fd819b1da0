"""A billing firm and its client in a browser."""

import pytest

from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.portal import (
    choose_application,
    enter,
    in_english,
    link_of,
    newest_mail,
    paid_to,
    proof_of,
    search_payment,
)

pytestmark = pytest.mark.browser

_DAY = 86_400

_ASKED_OF = "office@larkspurwomen.example"


@in_english(360)
def test_firm_asks_a_client_who_says_yes(story: Story, codes: Codes) -> None:
    proof = proof_of(story.sandbox, "Maple Bend Family Medicine")
    nadia = enter(story, codes, "nadia", "/provider/home")
    choose_application(nadia, "Tax ID & NPI access")
    nadia.look("clients")
    nadia.follow("Add a client")
    nadia.page.locator("#tax_id").fill(proof["tax_id"])
    nadia.page.locator("#number").fill(proof["check"])
    nadia.look("numbers")
    nadia.press("Continue")
    nadia.look("choose-your-client")
    nadia.press("Continue")
    for name in ("name", "email"):
        nadia.page.locator(f"#contact_{name}").fill(proof[f"contact_{name}"])
    nadia.page.locator("#contact_phone").fill("555-210-0101")
    for box in nadia.page.get_by_role("checkbox").all():
        box.check()
    nadia.look("contact")
    nadia.press("Send the request")
    nadia.look("asked")
    story.step("asked")

    contact = story.browser(scripts=False)
    sent = newest_mail(story.sandbox, proof["contact_email"], "Maple Bend Family Medicine")
    contact.open(link_of(story.sandbox, sent), "contact-decides")
    contact.press("Yes, allow access")
    contact.look("contact-has-decided")

    nadia.open("/provider/remittances")
    search_payment(nadia, paid_to(story.sandbox, "Maple Bend Family Medicine").number)
    nadia.look("found-at-once")
    nadia.reads("Maple Bend Family Medicine")
    nadia.open("/provider/home")
    nadia.page.get_by_role("link", name="unread message").first.click()
    nadia.reads("Your request to Maple Bend Family Medicine")
    nadia.look("message-center")


@in_english(1280)
def test_request_is_sent_again_and_lapses_after_thirty_days(story: Story, codes: Codes) -> None:
    contact = story.browser()
    first = newest_mail(story.sandbox, _ASKED_OF, "asks for access")
    ruth = enter(story, codes, "ruth", "/staff/authorizations")
    ruth.look("requests")
    row = ruth.page.locator("tr", has_text="Larkspur Women's Health")
    with ruth.page.expect_navigation():
        row.get_by_role("button").click()
    ruth.reads("Sent again with a new link.")
    second = newest_mail(story.sandbox, _ASKED_OF, "asks for access", more_than=1)
    contact.open(link_of(story.sandbox, second), "contact-decides")
    assert contact.button("Yes, allow access").count() == 1
    contact.open(link_of(story.sandbox, first), "older-link")
    assert contact.button("Yes, allow access").count() == 0
    story.step("sent again")

    story.sandbox.advance(29 * _DAY)
    contact.open(link_of(story.sandbox, second))
    assert contact.button("Yes, allow access").count() == 1
    story.sandbox.advance(_DAY)
    contact.open(link_of(story.sandbox, second), "lapsed")
    assert contact.button("Yes, allow access").count() == 0
    nadia = enter(story, codes, "nadia", "/provider/access")
    lapsed = nadia.page.locator("tr", has_text="Larkspur Women's Health")
    lapsed.get_by_text("No answer within 30 days").wait_for()
    nadia.look("lapsed-for-the-firm")
    with nadia.page.expect_navigation():
        lapsed.get_by_role("link", name="Ask anew").click()
    nadia.heading("Add a client")
