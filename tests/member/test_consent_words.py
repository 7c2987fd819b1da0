"""The consent screen says exactly what all of its boxes together share, and its receipt says the same."""

import re
from html import unescape

import pytest

from consent.models import LinkScope
from tests.factories import make_account, make_member
from tests.member.pages import Reader, form_to, represent
from tests.member.test_receipts import agreed
from tests.oauth.desk import Desk
from tests.papers import words_of

_EVERYTHING = "openid launch/patient offline_access patient/*.rs"
_ALL_BOXES = "If you leave all of these boxes checked, the app may see all of this information that"
_BUT_TWO = "Two kinds of records are left out: those about the very personal topics below that you do not check"
_NEVER = (
    "Very personal topics are never shared with the app, since your right as personal representative does not cover "
    "them"
)


def asked_of(desk: Desk, scope: LinkScope, asked: str = _EVERYTHING) -> tuple[Reader, str, str]:
    """Dana with that right over somebody, the page that an app's request brings her to, and its receipt's address."""
    with desk.session() as session:
        account, mother = make_account(session), make_member(session)
    represent(desk, account, mother, scope=scope)
    dana = Reader(desk, account)
    page = dana.choose(dana.ask(desk.register(), scope=asked), mother)
    assert form_to(page.text, "/consent")
    assert dana.allow(page).status_code == 303
    (answer,) = re.findall(r"/apps/answers/[0-9a-f-]{36}", dana.get("/apps").text)
    return dana, unescape(page.text), answer


def test_a_member_reads_what_all_boxes_share_and_what_is_left_out(desk: Desk) -> None:
    rosa, held = agreed(desk)

    for page in (rosa.ask(desk.register(), scope=_EVERYTHING), rosa.get(held.receipt)):
        told = unescape(page.text)
        assert f"{_ALL_BOXES} {desk.settings.plan.name} has now" in told and _BUT_TWO in told and _NEVER not in told
        assert "may see everything" not in told


@pytest.mark.parametrize("scope", [LinkScope.WITHOUT_SENSITIVE, LinkScope.CLAIMS_WITHOUT_SENSITIVE])
def test_who_has_no_right_to_very_personal_topics_reads_that_none_is_ever_shared(desk: Desk, scope: LinkScope) -> None:
    dana, page, receipt = asked_of(desk, scope)

    printed = words_of(dana.get(f"{receipt}/receipt.pdf").data)
    for told in (page, unescape(dana.get(receipt).text)):
        assert _NEVER in told and _BUT_TWO not in told and 'name="sensitive"' not in told
        assert (_ALL_BOXES in told) is (scope is LinkScope.WITHOUT_SENSITIVE)
    assert set(_NEVER.split()) <= set(printed.replace("\\", "").split())
    assert _NEVER in dana.get(f"{receipt}/receipt.json").get_json()["words"]["everything"]


def test_whose_right_covers_the_topics_reads_what_members_read(desk: Desk) -> None:
    _dana, page, _receipt = asked_of(desk, LinkScope.ALL)

    assert _ALL_BOXES in page and _BUT_TWO in page and _NEVER not in page and 'name="sensitive"' in page


def test_an_ask_that_no_topic_can_be_in_says_nothing_of_them(desk: Desk) -> None:
    _dana, page, _receipt = asked_of(desk, LinkScope.WITHOUT_SENSITIVE, "openid launch/patient patient/Coverage.rs")

    assert _NEVER not in page and _ALL_BOXES not in page


def test_oneself_answers_the_question_of_each_page_in_spanish(desk: Desk) -> None:
    rosa = Reader(desk, desk.account)
    with desk.session() as session:
        child = make_member(session)
    represent(desk, desk.account, child)
    name = desk.member.full_name

    acting = rosa.get("/select-member?lang=es").text
    asking = rosa.ask(desk.register()).text

    assert "¿Por quién actúa usted?" in acting and form_to(acting, "/select-member").options[0][1] == f"Yo ({name})"
    assert "¿De quién es la información que quiere compartir?" in asking
    assert form_to(asking, "/consent/member").options[0][1] == f"Mi propia información ({name})"
