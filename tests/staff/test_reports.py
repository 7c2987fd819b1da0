"""The Reports tab: who sees which report, the year's numbers as page and CSV, funnels, accounts of disclosures."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from service.audit import AuditEvent
from service.clock import now
from service.plan.models import StaffRole
from service.reports import transfers
from service.reports.models import AccountableDisclosure
from service.settings import Settings
from tests.conftest import MovableClock
from tests.door.places import in_a_place_each
from tests.factories import make_member
from tests.oauth.desk import Desk
from tests.reports.days import go_to, read
from tests.staff.console import make_clerk

USAGE, FUNNELS, DISCLOSURES = (
    "/staff/reports/patient-access-usage", "/staff/reports/authorizations", "/staff/reports/disclosures/",
)  # fmt: skip
OFFICER, REVIEWER, ADMINISTRATOR = StaffRole.PRIVACY_OFFICER, StaffRole.APP_REVIEWER, StaffRole.ADMINISTRATOR
MAY = {
    USAGE: {OFFICER, ADMINISTRATOR}, FUNNELS: {REVIEWER, ADMINISTRATOR}, DISCLOSURES: {OFFICER},
    "/staff/reports/": {OFFICER, REVIEWER, ADMINISTRATOR},
}  # fmt: skip


@pytest.mark.parametrize("role", StaffRole)
def test_each_report_opens_for_its_roles_and_is_linked_for_them_alone(
    app: Flask, session: Session, role: StaffRole
) -> None:
    browser = make_clerk(app, session, role).browser

    for page, roles in MAY.items():
        assert browser.get(page).status_code == (200 if role in roles else 404), page
    if role in MAY["/staff/reports/"]:
        index = browser.get("/staff/reports/").text
        assert {page for page in (USAGE, FUNNELS, DISCLOSURES) if f'href="{page}"' in index} == {
            page for page in (USAGE, FUNNELS, DISCLOSURES) if role in MAY[page]
        }


def test_the_years_numbers_are_shown_and_downloaded_and_who_did_is_kept(
    app: Flask, session: Session, settings: Settings, clock: MovableClock
) -> None:
    first, second, nameless = (
        make_member(session, line_of_business="HMO", report_unit=one) for one in ("H1", "H2", "")
    )
    session.commit()
    go_to(clock, settings, "09:00", days=1)
    read(session, first.id, "grant-1")
    read(session, second.id, "grant-2")
    session.commit()
    go_to(clock, settings, "12:00", days=1)
    transfers.count_finished_days(sessionmaker(session.get_bind()), settings)
    officer = make_clerk(app, session, OFFICER)
    year = _year_before(settings)

    page = officer.browser.get(f"{USAGE}?year={year}")
    file = officer.browser.get(f"{USAGE}?year={year}&format=csv&public=yes")

    assert "The year is not complete" in page.text and "report_unit" not in page.text
    rows = [" | ".join(re.findall(r"<t[hd][^>]*>([^<]*)", row)) for row in page.text.split("<tr>")[2:]]
    expected = ["HMO | H1 | 1 | 0 | 0", "HMO | H2 | 1 | 0 | 0", "HMO | All of it | 2 | 0 | 0"]
    assert rows == [*expected, "All together |  | 2 | 0 | 0"]
    assert file.headers["Content-Disposition"] == f'attachment; filename="patient-access-usage-{year}-public.csv"'
    assert ",HMO,H1,<11,0,0," in file.get_data(as_text=True) and ",HMO,(all)," not in file.get_data(as_text=True)
    tags = session.scalars(select(AuditEvent.tag).where(AuditEvent.account_id == officer.account.id)).all()
    assert {"plan:usage_report:read", "plan:usage_report:download"} <= set(tags)
    read(session, nameless.id, "grant-3")
    session.commit()
    go_to(clock, settings, "12:00", days=1)
    transfers.count_finished_days(sessionmaker(session.get_bind()), settings)
    officer = make_clerk(app, session, OFFICER)
    assert "give the roster a column report_unit" in officer.browser.get(f"{USAGE}?year={_year_before(settings)}").text


def _year_before(settings: Settings) -> int:
    return (now() - timedelta(days=1)).astimezone(settings.plan.timezone).year


@pytest.mark.parametrize("year", ["1999", "none", "99999999999999999999"])
def test_a_year_that_is_none_is_told_what_to_enter(app: Flask, session: Session, year: str) -> None:
    answer = make_clerk(app, session, OFFICER).browser.get(f"{USAGE}?year={year}&format=csv")

    assert answer.status_code == 400 and "Please enter a year from 2020 to 2100." in answer.text


def test_the_steps_of_an_apps_authorizations_are_counted(
    app: Flask, session: Session, settings: Settings, clock: MovableClock
) -> None:
    go_to(clock, settings, "09:00", days=1)
    desk = Desk(app)
    porch = desk.register(name="Porch Lights")
    token = desk.connect(porch)["access_token"]
    app.test_client().get("/fhir/r4/Coverage", headers={"Authorization": f"Bearer {token}"})
    desk.agree(porch)
    desk.authorize(app.test_client(), porch)
    go_to(clock, settings, "12:00", days=1)
    transfers.count_finished_days(sessionmaker(session.get_bind()), settings)

    page = make_clerk(app, session, REVIEWER).browser.get(FUNNELS).text

    row = page[page.index("Porch Lights") :].partition("</tr>")[0]
    numbers = re.findall(r'<td class="ls-number" data-label="[^"]+">(\d+)', row)
    # Three asked and were opened; the desk answers two without their page; one code was exchanged, and read with.
    assert numbers == ["3", "3", "0", "2", "0", "1", "1"]


def test_a_privacy_officer_enters_a_disclosure_and_gives_the_account(app: Flask, session: Session) -> None:
    member = make_member(session)
    session.commit()
    officer = make_clerk(app, session, OFFICER)
    officer.browser.get(DISCLOSURES)
    nobody = officer.browser.post(DISCLOSURES, member_number="MEM-NOBODY")
    assert nobody.status_code == 400 and "No member has this member ID." in nobody.text
    found = officer.browser.post(DISCLOSURES, member_number=member.member_number)
    assert found.status_code == 303 and member.member_number not in found.location
    form = {
        "disclosed_on": now().date().isoformat(), "recipient": "<b>Court</b>", "description": "Claims of 2024",
        "purpose": "court", "basis": "Order 12",
    }  # fmt: skip

    lacking = officer.browser.post(found.location, data=dict.fromkeys(form, ""))
    kept = officer.browser.post(found.location, **form)

    assert lacking.status_code == 400 and "Please enter the day of the disclosure." in lacking.text
    assert kept.status_code == 303
    page = officer.browser.get(kept.location).text
    assert "&lt;b&gt;Court&lt;/b&gt;" in page and "Order 12" in page
    file = officer.browser.get(f"{found.location}?format=csv")
    with in_a_place_each(app) as pieces:
        assert "Claims of 2024" in file.get_data(as_text=True)
    assert pieces
    entry = session.scalars(select(AccountableDisclosure)).one()
    session.commit()
    assert "stands in the place of the other" in officer.browser.get(f"{found.location}?corrects={entry.id}").text


def test_nobody_keeps_the_account_of_themselves(app: Flask, session: Session) -> None:
    officer = make_clerk(app, session, OFFICER)
    own = make_member(session, email_on_file=officer.account.email)
    session.commit()
    officer.browser.get(DISCLOSURES)

    assert officer.browser.get(f"{DISCLOSURES}of/{own.patient_id}").status_code == 403
