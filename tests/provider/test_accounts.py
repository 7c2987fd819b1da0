"""View all accounts: a delegate finds, creates and maintains the logins of the organisation."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.audit import AuditEvent
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    EntrySource,
    OrganizationKind,
    PortalFunction,
    PortalInvitation,
    ProviderStaff,
    RequestStatus,
    StaffStatus,
)
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import (
    PASSWORD,
    make_account,
    make_entry,
    make_group,
    make_member,
    make_organization,
    make_portal_staff,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_LINK = re.compile(r"http://localhost(/provider/invitation/[\w-]{43})")
NEWCOMER = {"given_name": "Robin", "family_name": "Vale", "email": "robin.vale@clinic.example"}


@pytest.fixture
def delegate(session: Session) -> ProviderStaff:
    """A delegate with one entry, committed."""
    group = make_group(session, tax_id="082234502", legal_name="Alder Creek Medical PC")
    made = make_portal_staff(
        session, make_organization(session, name=group.legal_name), is_delegate=True, phone="555-010-0100",
        account=make_account(session, given_name="Lee", family_name="Moss"),
    )  # fmt: skip
    make_entry(session, made, tax_id="082234502")
    session.commit()
    return made


@pytest.fixture
def office(app: Flask, delegate: ProviderStaff) -> Visitor:
    """The delegate at their browser."""
    visitor = Visitor(app)
    visitor.sign_in_with_factor(delegate.account)
    return visitor


def _colleague(session: Session, delegate: ProviderStaff, **given: object) -> ProviderStaff:
    person = {name: given.pop(name) for name in ("given_name", "family_name", "email") if name in given}
    made = make_portal_staff(
        session, session.merge(delegate.organization), account=make_account(session, **person), **given
    )  # fmt: skip
    session.commit()
    return made


def _entry_of(session: Session, staff: ProviderStaff) -> AccessEntry:
    return session.scalars(select(AccessEntry).where(AccessEntry.staff_id == staff.id)).one()


def _invite(office: Visitor, **given: object) -> object:
    office.get("/provider/accounts/new")
    office.post("/provider/accounts/new", **NEWCOMER)
    form = {"phone": "555-010-0199", "functions": ["remittances", "claims"], "create": "yes"} | NEWCOMER | given
    return office.post("/provider/accounts/new", **form)


def _link(session: Session, settings: Settings, to: str = NEWCOMER["email"]) -> str:
    found = _LINK.findall(letters(session, settings, to)[-1])
    assert len(found) == 1
    return str(found[0])


def _take_up(app: Flask, link: str, **given: str) -> Visitor:
    person = Visitor(app)
    person.get(link)
    answer = person.post(link, **({"username": "robin.v", "password": PASSWORD, "confirmation": PASSWORD} | given))
    assert answer.status_code == 303, answer.text
    return person


def test_the_list_shows_status_applications_and_last_sign_in(
    office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    _colleague(session, delegate, given_name="Ana", family_name="Berg", functions=["claims"])
    page = office.get("/provider/accounts/").text
    assert "Create new user account" in page
    assert page.index("Ana Berg</a>") < page.index("Lee Moss</a>")
    assert "Claims Inquiry" in page
    assert "Never" in page


def test_the_list_is_searched_by_name_and_e_mail_and_holds_no_other_organisation(
    office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    _colleague(session, delegate, given_name="Ana", family_name="Berg", email="front.desk@clinic.example")
    make_portal_staff(session, account=make_account(session, given_name="Zoe", family_name="Berg"))
    session.commit()
    for query in ("berg ana", "FRONT.desk"):
        page = office.get(f"/provider/accounts/?q={query}").text
        assert "Ana Berg" in page
        assert "Zoe" not in page
    assert "No account fits" in office.get("/provider/accounts/?q=nobody%25").text


def test_a_newcomer_is_invited_chooses_name_and_password_and_gets_what_was_ticked(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session, settings: Settings
) -> None:
    entry = _entry_of(session, delegate)
    session.commit()
    answer = _invite(office, given=[entry.id])
    assert answer.location == "/provider/accounts/?done=invited#invitations"  # type: ignore[attr-defined]
    assert "Robin Vale" in office.get("/provider/accounts/").text
    person = _take_up(app, _link(session, settings))
    assert person.get("/provider/home").location == "/provider/terms?next=/provider/home"
    made = session.scalars(select(ProviderStaff).where(ProviderStaff.created_by_account_id.is_not(None))).one()
    assert (made.account.username, made.account.email, made.account.full_name) == (
        "robin.v", NEWCOMER["email"], "Robin Vale",
    )  # fmt: skip
    assert (made.functions, made.is_delegate, made.phone) == (["claims", "remittances"], False, "555-010-0199")
    [copied] = reach.entries_of(session, made.id)
    assert (copied.tax_id, copied.source, copied.created_by_account_id) == (
        "082234502", EntrySource.DELEGATE, delegate.account_id,
    )  # fmt: skip


def test_a_delegate_creates_a_delegate_who_sets_an_app_up_first(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    assert "Create delegate" in office.get("/provider/accounts/new?delegate=yes").text
    _invite(office, delegate="yes")
    person = _take_up(app, _link(session, settings))
    assert person.get("/provider/home").location == "/settings/second-factor/set-up?next=/provider/home"
    made = session.scalars(select(Account).where(Account.username == "robin.v")).one()
    session.commit()
    person.browser.delete_cookie("sid")
    person.sign_in_with_factor(made)
    assert person.get("/provider/accounts/").location == "/provider/terms?next=/provider/accounts/"


def test_nobody_gets_a_second_account_for_the_same_address(
    office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    there = _colleague(session, delegate, email="Robin.Vale@Clinic.example", status=StaffStatus.DEACTIVATED,
                       deactivated_at=NOON)  # fmt: skip
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    assert "may have an account already" in page
    assert f"/provider/accounts/{there.id}" in page
    assert "another person: continue" not in page
    page = _invite(office, another="yes").text  # type: ignore[attr-defined]
    assert "may have an account already" in page
    assert session.scalars(select(PortalInvitation)).all() == []


def test_a_person_of_the_same_name_is_asked_about(office: Visitor, delegate: ProviderStaff, session: Session) -> None:
    _colleague(session, delegate, given_name="ROBIN", family_name="Vale")
    office.get("/provider/accounts/new")
    assert "another person: continue" in office.post("/provider/accounts/new", **NEWCOMER).text
    assert "Send the invitation" in office.post("/provider/accounts/new", another="yes", **NEWCOMER).text
    form = {"phone": "555-010-0199", "create": "yes"} | NEWCOMER
    assert "another person: continue" in office.post("/provider/accounts/new", **form).text
    office.post("/provider/accounts/new", another="yes", **NEWCOMER)
    assert office.post("/provider/accounts/new", another="yes", **form).status_code == 303


def test_the_owner_of_an_account_joins_with_it_and_the_delegate_is_told_nothing_of_it(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, email=NEWCOMER["email"])
    session.commit()
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    assert "Nobody here has an account" in page
    _invite(office)
    link = _link(session, settings)
    person = Visitor(app)
    assert "You have an account with us already" in person.get(link).text
    person.sign_in(owner, following=link)
    assert "You are signed in as" in person.get(link).text
    assert person.post(f"{link}/join").location == "/provider/home"
    assert person.get("/provider/home").location == "/provider/terms?next=/provider/home"
    assert person.get(link).status_code == 410
    assert session.scalars(select(Account).where(Account.email_key == NEWCOMER["email"])).one().member_id == member.id


def test_nobody_joins_by_anothers_link(app: Flask, office: Visitor, session: Session, settings: Settings) -> None:
    make_account(session, email=NEWCOMER["email"])
    other = make_account(session)
    session.commit()
    _invite(office)
    link, thief = _link(session, settings), Visitor(app)
    thief.sign_in(other)
    page = thief.get(link).text
    assert "whose e-mail address is another one" in page
    assert thief.post(f"{link}/join").status_code == 403
    assert session.scalars(select(PortalInvitation)).one().spent_at is None


def test_who_has_a_login_elsewhere_joins_only_after_it_was_deactivated(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    owner = make_account(session, email=NEWCOMER["email"])
    elsewhere = make_portal_staff(session, account=owner)
    session.commit()
    _invite(office)
    link, person = _link(session, settings), Visitor(app)
    person.sign_in(owner)
    person.get(link)
    assert person.post(f"{link}/join").status_code == 409
    elsewhere.status = StaffStatus.DEACTIVATED
    session.commit()
    person.get(link)
    assert person.post(f"{link}/join").status_code == 303
    assert person.get("/provider/delegate/").status_code == 200
    logins = session.scalars(select(ProviderStaff).where(ProviderStaff.account_id == owner.id)).all()
    assert sorted(login.status for login in logins) == ["active", "deactivated"]


def test_a_link_is_good_for_seven_days(app: Flask, office: Visitor, session: Session, settings: Settings) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        delegate = session.scalars(select(ProviderStaff)).one().account
        session.commit()
        office = Visitor(app)
        office.sign_in_with_factor(delegate)
        _invite(office)
        link = _link(session, settings)
        clock.move_to(NOON + timedelta(days=7, seconds=-1))
        assert Visitor(app).get(link).status_code == 200
        clock.move_to(NOON + timedelta(days=7))
        assert Visitor(app).get(link).status_code == 410


def test_a_link_sent_again_ends_the_older_and_a_withdrawn_one_is_over(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    _invite(office)
    first = _link(session, settings)
    row = session.scalars(select(PortalInvitation)).one()
    session.commit()
    office.get("/provider/accounts/")
    assert office.post(f"/provider/accounts/invitations/{row.id}/resend").status_code == 303
    second = _link(session, settings)
    assert Visitor(app).get(first).status_code == 410
    assert Visitor(app).get(second).status_code == 200
    office.get("/provider/accounts/")
    assert office.post(f"/provider/accounts/invitations/{row.id}/withdraw").status_code == 303
    assert Visitor(app).get(second).status_code == 410
    assert office.post(f"/provider/accounts/invitations/{row.id}/resend").status_code == 409


@pytest.mark.parametrize("secret", ["x", "a" * 43, "%F0%9F%98%80", "../home", "0" * 3000])
def test_a_link_that_we_never_sent_is_over_like_a_used_one(app: Flask, secret: str) -> None:
    answer = Visitor(app).get(f"/provider/invitation/{secret}")
    assert answer.status_code in {404, 410, 303}


@pytest.mark.parametrize(
    ("username", "password", "confirmation", "told"),
    [
        ("robin.v", "short", "short", "8 to 64 characters"),
        ("robin.v", PASSWORD, "Other-lights-42!", "not the same"),
        ("r", PASSWORD, PASSWORD, "4 to 64 characters"),
        ("robin.v", "Robin.vale-2026", "Robin.vale-2026", "Does not hold your name"),
    ],
)
def test_a_bad_name_or_password_is_told_and_spends_nothing(
    app: Flask, office: Visitor, session: Session, settings: Settings,
    username: str, password: str, confirmation: str, told: str,
) -> None:  # fmt: skip
    _invite(office)
    person, link = Visitor(app), _link(session, settings)
    person.get(link)
    answer = person.post(link, username=username, password=password, confirmation=confirmation)
    assert answer.status_code == 400
    assert told in answer.text
    _take_up(app, link)


@pytest.mark.parametrize(
    ("field", "value"),
    [("phone", ""), ("phone", "call me"), ("email", "robin@"), ("email", ""), ("given_name", " "),
     ("functions", "root"), ("given", "not-an-id")],
)  # fmt: skip
def test_a_form_filled_in_wrongly_is_told_what_to_mend(
    office: Visitor, session: Session, field: str, value: str
) -> None:
    answer = _invite(office, **{field: value})
    assert answer.status_code == 400  # type: ignore[attr-defined]
    assert "Please check what you entered" in answer.text  # type: ignore[attr-defined]
    assert session.scalars(select(PortalInvitation)).all() == []


def test_rights_are_changed_and_count_at_the_next_request(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    login = _colleague(session, delegate, functions=["claims", "eligibility"])
    make_entry(session, login, npi="1234567893")
    session.commit()
    page = office.get(f"/provider/accounts/{login.id}").text
    assert "Tax ID ending in 4502" in page
    assert "082234502" not in page
    mine = _entry_of(session, delegate).id
    session.commit()
    answer = office.post(f"/provider/accounts/{login.id}/rights", functions=["claims", "remittances"], given=[mine])
    assert answer.status_code == 303
    session.expire_all()
    assert session.get_one(ProviderStaff, login.id).functions == ["claims", "remittances"]
    assert [(one.tax_id, one.npi) for one in reach.entries_of(session, login.id)] == [("082234502", None)]
    session.commit()
    kept = reach.entries_of(session, login.id)[0].id
    session.commit()
    office.get(f"/provider/accounts/{login.id}")
    office.post(f"/provider/accounts/{login.id}/rights", functions=["claims"], kept=[kept], given=[mine])
    assert len(reach.entries_of(session, login.id)) == 1, "the same numbers are not given twice"


def test_a_delegate_who_lacks_an_application_leaves_it_or_takes_it(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    session.merge(delegate).functions = ["remittances"]
    login = _colleague(session, delegate, functions=["claims"])
    assert "you cannot give it back" in office.get(f"/provider/accounts/{login.id}").text
    office.post(f"/provider/accounts/{login.id}/rights", functions=["claims", "remittances"])
    session.expire_all()
    assert session.get_one(ProviderStaff, login.id).functions == ["claims", "remittances"]


def test_a_deactivated_colleague_works_again_with_rights_chosen_anew(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    login = _colleague(session, delegate)
    office.get(f"/provider/accounts/{login.id}/deactivate")
    assert office.post(f"/provider/accounts/{login.id}/deactivate").status_code == 303
    assert "Let this account work again" in office.get(f"/provider/accounts/{login.id}").text
    assert office.post(f"/provider/accounts/{login.id}/rights", functions=["claims"]).status_code == 303
    session.expire_all()
    again = session.get_one(ProviderStaff, login.id)
    assert (again.status, again.functions, again.deactivated_at) == (StaffStatus.ACTIVE, ["claims"], None)


def test_anybody_sees_who_the_delegates_are(app: Flask, delegate: ProviderStaff, session: Session) -> None:
    login = _colleague(session, delegate)
    make_portal_staff(session, is_delegate=True, account=make_account(session, given_name="Zoe"))
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(login.account)
    page = visitor.get("/provider/delegate/").text
    assert "Lee Moss" in page
    assert delegate.account.email in page
    assert "555-010-0100" in page
    assert "Zoe" not in page
    assert "/provider/accounts" not in page


def test_an_organisation_without_delegate_is_told_whom_to_ask(app: Flask, session: Session) -> None:
    login = make_portal_staff(session)
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(login.account)
    assert "no delegate at the moment" in visitor.get("/provider/delegate/").text


@pytest.mark.parametrize("path", ["new", "{id}", "{id}/deactivate"])
def test_for_others_the_pages_do_not_exist(app: Flask, delegate: ProviderStaff, session: Session, path: str) -> None:
    login = _colleague(session, delegate)
    visitor = Visitor(app)
    visitor.sign_in(login.account)
    assert visitor.get(f"/provider/accounts/{path.format(id=login.id)}").status_code == 404
    assert visitor.get("/provider/delegate/requests").status_code == 404


def test_the_list_of_accounts_tells_others_who_their_delegate_is(
    app: Flask, delegate: ProviderStaff, session: Session
) -> None:
    visitor = Visitor(app)
    visitor.sign_in(_colleague(session, delegate, given_name="Nobody", family_name="Special").account)

    answer = visitor.get("/provider/accounts/")

    assert answer.status_code == 403 and 'href="/provider/delegate/"' in answer.text
    assert f"Please ask: {delegate.account.full_name}." in answer.text and "Nobody Special (" not in answer.text


def test_a_request_to_become_delegate_is_approved(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session, settings: Settings
) -> None:
    asker = _colleague(session, delegate, given_name="Ana", family_name="Berg")
    session.add(DelegateRequest(staff_id=asker.id, reason="on_leave", detail="until <b>May</b>"))
    session.commit()
    request = session.scalars(select(DelegateRequest)).one()
    session.commit()
    assert "1 person asks to become delegate" in office.get("/provider/accounts/").text
    home = office.get("/provider/home").text
    assert "1 person asks to become delegate" in home and 'href="/provider/delegate/requests"' in home
    page = office.get("/provider/delegate/requests").text
    assert "They are on leave" in page and "on_leave" not in page
    assert "until &lt;b&gt;May" in page
    assert office.post(f"/provider/delegate/requests/{request.id}", decision="approve").status_code == 303
    assert "asks to become delegate" not in office.get("/provider/home").text
    session.expire_all()
    assert session.get_one(ProviderStaff, asker.id).is_delegate
    decided = session.get_one(DelegateRequest, request.id)
    assert (decided.status, decided.decided_by_account_id) == (RequestStatus.APPROVED, delegate.account_id)
    session.commit()
    assert "You are a delegate now" in letters(session, settings, asker.account.email)[-1]
    office.get("/provider/delegate/")
    assert office.post(f"/provider/delegate/requests/{request.id}", decision="refuse").status_code in {403, 409}


def test_a_request_is_refused_with_a_word(
    office: Visitor, delegate: ProviderStaff, session: Session, settings: Settings
) -> None:
    asker = _colleague(session, delegate)
    request = DelegateRequest(staff_id=asker.id, reason="left")
    session.add(request)
    session.commit()
    office.get("/provider/delegate/requests")
    answer = office.post(f"/provider/delegate/requests/{request.id}", decision="refuse", reason="I am back on Monday.")
    assert answer.status_code == 303
    told = letters(session, settings, asker.account.email)[-1]
    assert "was refused" in told
    assert "I am back on Monday." in told
    session.expire_all()
    assert not session.get_one(ProviderStaff, asker.id).is_delegate
    tags = session.scalars(select(AuditEvent.tag)).all()
    assert "plan:portal_staff:refuse_delegate" in tags


def test_a_request_of_another_organisation_cannot_be_decided(office: Visitor, session: Session) -> None:
    asker = make_portal_staff(session)
    request = DelegateRequest(staff_id=asker.id, reason="left")
    session.add(request)
    session.commit()
    office.get("/provider/accounts/new")
    assert office.post(f"/provider/delegate/requests/{request.id}", decision="approve").status_code == 409
    session.expire_all()
    assert not session.get_one(ProviderStaff, asker.id).is_delegate


def test_a_billing_firms_people_get_no_entries(app: Flask, session: Session) -> None:
    firm = make_organization(session, kind=OrganizationKind.BILLING, name="Tally & Sons")
    head = make_portal_staff(session, firm, is_delegate=True)
    session.commit()
    office = Visitor(app)
    office.sign_in_with_factor(head.account)
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    assert "all clients who said yes" in page
    assert "Providers this person works for" not in page


def test_due_accounts_are_confirmed(app: Flask, delegate: ProviderStaff, session: Session) -> None:
    login = _colleague(session, delegate, given_name="Ana", family_name="Berg", certified_at=NOON)
    with time_machine.travel(NOON + timedelta(days=149, hours=23), tick=False) as clock:
        office = Visitor(app)
        office.sign_in_with_factor(delegate.account)
        assert "Do these people still need" not in office.get("/provider/accounts/").text
        clock.shift(timedelta(hours=1))
        office.sign_in_with_factor(delegate.account)
        assert "Do these people still need" in office.get("/provider/accounts/").text
        assert office.post(f"/provider/accounts/{login.id}/certify").status_code == 303
        assert "Do these people still need" not in office.get("/provider/accounts/").text


def test_every_function_has_a_name(office: Visitor) -> None:
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    for function in PortalFunction:
        assert f'value="{function.value}"' in page
