"""Claims Inquiry: what an office finds, sees of a claim, and what is written down about it."""

import re
from datetime import date

import pytest

from service.audit import Outcome
from service.plan.logins.lookups import ON_FILE
from service.plan.models import PortalFunction, ProviderGroup
from tests.accounts.visitor import Visitor
from tests.factories import make_entry
from tests.provider.office import Office, billed, office, shape

__all__ = ["office"]
CLAIMS = "/provider/claims"


@pytest.fixture
def desk(office: Office) -> Visitor:
    """A signed-in office of the group `mine`, with three claims of member `ann` and one of `bob`."""
    mine, other = office.group("mine"), office.group("other")
    office.member("ann", family_name="Ålvarez")
    office.member("bob")
    office.member("far")
    office.load(
        billed("a1", "ann", mine, "2026-01-05"), billed("a2", "ann", mine, "2026-02-05"),
        billed("a3", "ann", mine, "2026-03-05", status="cancelled"), billed("b1", "bob", mine, "2026-04-05"),
        billed("x1", "ann", other, "2026-01-06"), billed("y1", "far", other, "2026-01-07"),
    )  # fmt: skip
    visitor = office.browser(office.login(mine))
    visitor.get(CLAIMS)
    return visitor


def found(desk: Visitor, **form: str) -> list[str]:
    """The claim numbers in the answer to a search, in order."""
    answer = desk.post(CLAIMS, **form)
    assert answer.status_code == 200, answer.text
    return numbers(answer.text)


def numbers(page: str) -> list[str]:
    """The claim numbers of a page's list."""
    return re.findall(r'href="/provider/claims/[^"]+">([^<]+)</a>', page)


def test_the_first_page_shows_the_latest_claims(desk: Visitor) -> None:
    assert desk.page.status_code == 200
    assert numbers(desk.page.text) == ["CLM-B1", "CLM-A3", "CLM-A2", "CLM-A1"]


KNOWN: list[tuple[dict[str, str], list[str]]] = [
    ({"claim_number": "CLM-A2"}, ["CLM-A2"]),
    ({"claim_number": " clm-a2 "}, ["CLM-A2"]),
    ({"claim_number": "CLM-X1"}, []),
    ({"member_number": "M-ANN"}, ["CLM-A3", "CLM-A2", "CLM-A1"]),
    ({"member_number": "m-ann", "claim_number": "CLM-A1"}, ["CLM-A1"]),
    ({"member_number": "M-ANN", "claim_number": "CLM-B1"}, []),
    ({"last_name": "alvarez", "birth_date": "1956-04-30"}, ["CLM-A3", "CLM-A2", "CLM-A1"]),
    ({"last_name": "Ålvarez", "birth_date": "04/30/1956"}, ["CLM-A3", "CLM-A2", "CLM-A1"]),
    ({"served_from": "2026-02-05", "served_to": "2026-03-04"}, ["CLM-A2"]),
    ({"served_from": "2026-03-05"}, ["CLM-B1", "CLM-A3"]),
    ({"served_to": "2026-01-05"}, ["CLM-A1"]),
    ({"status": "withdrawn"}, ["CLM-A3"]),
    ({"status": "paid", "served_to": "2026-02-28"}, ["CLM-A2", "CLM-A1"]),
    ({"status": "paid", "claim_number": "CLM-A3"}, []),
    ({"status": "not_paid"}, []),
    ({"status": "in_process"}, []),
]
SENSELESS: list[tuple[dict[str, str], str]] = [
    ({"last_name": "Alvarez"}, "To search by name we need the birth date too."),
    ({"birth_date": "1956-04-30"}, "To search by birth date we need the last name too."),
    ({"served_from": "2026-03-01", "served_to": "2026-02-01"}, "The last day lies before the first."),
    ({"served_from": "yesterday"}, "Please enter the date as month/day/year"),
    ({"served_to": "9999-12-31"}, "Please enter the date as month/day/year"),
    ({"status": "' OR 1=1"}, "Please choose one."),
    ({"claim_number": "9" * 51}, "This is longer than we can read."),
    ({"member_number": "M-FAR", "purpose": "curiosity", "reason_text": "because"}, "Please choose one."),
    ({"member_number": "M-FAR", "purpose": "treatment"}, "Please say in a few words why you ask."),
    ({"member_number": "M-FAR", "reason_text": "new patient"}, "Please choose one."),
]


def test_claims_are_found_by_what_an_office_knows(desk: Visitor) -> None:
    for form, expected in KNOWN:
        assert found(desk, **form) == expected, form


def test_what_makes_no_sense_is_told_in_a_sentence(desk: Visitor) -> None:
    for form, sentence in SENSELESS:
        answer = desk.post(CLAIMS, **{"reason_text": ""} | form)

        assert answer.status_code == 400, form
        assert sentence in answer.text, form
        assert numbers(answer.text) == []


def test_a_claim_tells_amounts_lines_reasons_and_payment(desk: Visitor) -> None:
    page = desk.get(f"{CLAIMS}/a1").text

    for told in ("CLM-A1", "$120.50", "$90.00", "$70.00", "$20.00", "Paid", "Jan 5, 2026", "T1015",
                 "Above the price agreed or allowed", "code 45", "Taken off under the plan's price: $30.50",
                 "Copay, owed by the member", "Note of a1", "EFT-a1", "Apr 1, 2026", "M-ANN",
                 "Group mine"):  # fmt: skip
        assert told in page, told
    assert "F10" not in page


def test_a_withdrawn_claim_says_so(desk: Visitor) -> None:
    assert "Withdrawn or replaced" in desk.get(f"{CLAIMS}/a3").text


def test_long_lists_come_in_pages_each_claim_once(office: Office) -> None:
    mine = office.group("mine")
    office.member("ann")
    same_day = [billed(f"c{number:02}", "ann", mine, "2026-01-05") for number in range(30)]
    office.load(*same_day, *(billed(f"d{number:02}", "ann", mine, f"2026-02-{number + 1:02}") for number in range(15)))
    desk = office.browser(office.login(mine))
    seen, page = [], desk.get(CLAIMS).text
    for _ in range(5):
        seen += numbers(page)
        following = re.search(r'name="after" value="([^"]+)"', page)
        if following is None:
            break
        page = desk.post(CLAIMS, after=following[1]).text

    assert len(seen) == len(set(seen)) == 45


def test_a_page_link_of_another_search_or_login_starts_at_the_beginning(office: Office) -> None:
    mine = office.group("mine")
    office.member("ann")
    office.load(*(billed(f"c{number:02}", "ann", mine, "2026-01-05") for number in range(30)))
    desk, colleague = office.browser(office.login(mine)), office.browser(office.login(mine))
    first = desk.get(CLAIMS).text
    after = re.search(r'name="after" value="([^"]+)"', first)
    assert after is not None
    colleague.get(CLAIMS)

    for visitor, form in ((colleague, {}), (desk, {"served_from": "2026-01-01"}), (desk, {"after": "AAAA"})):
        answer = visitor.post(CLAIMS, **{"after": after[1]} | form)
        assert numbers(answer.text) == numbers(first)
        visitor.get(CLAIMS)
    assert numbers(desk.post(CLAIMS, after=after[1]).text) != numbers(first)


def test_a_claim_named_in_the_list_leads_to_its_page(desk: Visitor) -> None:
    link = re.search(r'href="(/provider/claims/[^"]+)">CLM-A1', desk.page.text)

    assert link is not None
    assert desk.get(link[1]).status_code == 200


def test_what_is_not_found_offers_a_way_on(desk: Visitor) -> None:
    page = desk.post(CLAIMS, claim_number="CLM-NONE").text

    assert "No results found" in page
    assert "Try another search or view/add your Tax ID & NPI access</a>" in page.replace("&amp;", "&")


def test_every_answer_is_written_down_before_it_leaves(desk: Visitor, office: Office) -> None:
    desk.post(CLAIMS, member_number="M-ANN")
    desk.get(f"{CLAIMS}/a1")
    desk.get(f"{CLAIMS}/x1")
    opened, looked_up, read, refused = office.events()

    assert (opened.tag, opened.count, opened.member_id) == ("provider:claim:search", 4, None)
    assert (looked_up.tag, looked_up.count, looked_up.reason) == ("provider:member:lookup", 3, ON_FILE)
    assert looked_up.member_id is not None
    assert looked_up.detail is not None
    assert [office.session.get_one(ProviderGroup, one).legal_name for one in looked_up.detail["groups"]] == [
        "Group mine"
    ]
    assert (looked_up.detail["parameters"], looked_up.detail["claims"]) == (["member_number"], ["a3", "a2", "a1"])
    assert (read.tag, read.count, read.outcome) == ("provider:claim:read", 1, Outcome.SUCCESS)
    assert read.member_id == looked_up.member_id
    assert (refused.tag, refused.outcome, refused.member_id) == ("provider:claim:read", Outcome.REFUSED, None)
    assert all(event.account_id and event.login_session_id and event.ip for event in (opened, looked_up, read, refused))
    assert "M-ANN" not in str([event.detail for event in office.events()])


def test_head_is_answered_and_written_down_like_get(desk: Visitor, office: Office) -> None:
    before = len(office.events())

    assert desk.browser.head(f"{CLAIMS}/a1").status_code == 200
    assert desk.browser.head(f"{CLAIMS}/x1").status_code == 404
    assert len(office.events()) == before + 2


def test_without_the_application_the_delegate_is_named(office: Office) -> None:
    mine = office.group("mine")
    delegate = office.login(mine, is_delegate=True)
    staff = office.login(mine, functions=[PortalFunction.ELIGIBILITY.value], organization=delegate.organization)
    desk = office.browser(staff)

    for answer in (desk.get(CLAIMS), desk.get(f"{CLAIMS}/a1")):
        assert answer.status_code == 403
        assert delegate.account.full_name in answer.text
    assert office.events() == []


def test_strangers_are_sent_to_sign_in_and_others_see_no_page(office: Office) -> None:
    assert Visitor(office.app).get(CLAIMS).status_code == 303
    assert office.stranger().get(CLAIMS).status_code == 404


def test_a_login_without_entries_finds_nothing(office: Office) -> None:
    mine = office.group("mine")
    office.member("ann")
    office.load(billed("a1", "ann", mine))
    desk = office.browser(office.login())

    assert "No claims yet." in desk.get(CLAIMS).text
    assert desk.get(f"{CLAIMS}/a1").status_code == 404


def test_an_id_that_plan_staff_add_shows_its_claims_at_the_next_request(office: Office) -> None:
    mine, new = office.group("mine"), office.group("new")
    office.member("ann")
    office.load(billed("a1", "ann", mine), billed("n1", "ann", new))
    staff = office.login(mine)
    desk = office.browser(staff)
    assert numbers(desk.get(CLAIMS).text) == ["CLM-A1"]

    make_entry(office.session, staff, **office.numbers(new))
    office.session.commit()

    assert set(numbers(desk.get(CLAIMS).text)) == {"CLM-A1", "CLM-N1"}


def test_prior_authorizations_are_no_claims(office: Office) -> None:
    mine = office.group("mine")
    office.member("ann")
    office.load(billed("p1", "ann", mine, use="preauthorization"))

    assert numbers(office.browser(office.login(mine)).get(CLAIMS).text) == []


def test_a_claim_in_odd_shape_is_still_shown(office: Office) -> None:
    mine = office.group("mine")
    office.member("ann")
    bare = billed("bare", "ann", mine)
    for name in ("total", "item", "payment", "identifier", "processNote", "billablePeriod"):
        bare.pop(name)
    odd = billed("odd", "ann", mine, total=[{}], item=[{"sequence": 3, "adjudication": [{"category": {}}]}], payment={})
    office.load(bare, odd)
    desk = office.browser(office.login(mine))

    assert desk.get(f"{CLAIMS}/bare").status_code == 200
    assert desk.get(f"{CLAIMS}/odd").status_code == 200
    assert desk.get(CLAIMS).status_code == 200


def test_texts_of_a_claim_are_shown_as_text(office: Office) -> None:
    mine = office.group("mine")
    office.member("ann")
    office.load(billed("s1", "ann", mine, processNote=[{"number": 9, "text": "<script>alert(1)</script>"}]))
    page = office.browser(office.login(mine)).get(f"{CLAIMS}/s1").text

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_the_form_does_not_know_is_ignored(desk: Visitor) -> None:
    assert found(desk, groups="all", patient_ids="", account_id="1", claim_number="CLM-X1") == []


def test_a_billing_firm_finds_its_clients_claims_within_the_dates(office: Office) -> None:
    client, other = office.group("client"), office.group("other")
    office.member("ann")
    office.load(
        billed("old", "ann", client, "2025-12-31"), billed("new", "ann", client, "2026-01-01"),
        billed("x", "ann", other),
    )  # fmt: skip
    staff, authorization = office.client_of(client, covers_from=date(2026, 1, 1))
    desk = office.browser(staff)
    assert numbers(desk.get(CLAIMS).text) == ["CLM-NEW"]
    assert shape(desk.get(f"{CLAIMS}/old")) == shape(desk.get(f"{CLAIMS}/no-such-claim"))

    authorization.functions = ["remittances"]
    office.session.commit()

    assert numbers(desk.get(CLAIMS).text) == []


def test_a_denied_claim_tells_the_reason_and_not_what_is_written_to_the_member(office: Office) -> None:
    mine = office.group("mine")
    office.member("ann")
    to_member = {"number": 1, "type": "print", "text": "The provider may not bill you for it."}
    to_office = {"number": 2, "type": "display", "text": "Send the operative report."}
    claim = billed("d1", "ann", mine, processNote=[to_member, to_office])
    for one in claim["item"][0]["adjudication"]:
        if "reason" in one:
            one["reason"]["coding"][0]["code"] = "21"
    office.load(claim)

    page = office.browser(office.login(mine)).get(f"{CLAIMS}/d1").text

    assert "Another insurer is responsible, such as no-fault" in page and "code 21" in page
    assert "Send the operative report." in page
    assert "bill you" not in page
