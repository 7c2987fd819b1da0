"""The link that asks a provider's contact, under attack (security.md, cases 129 and 132)."""

import html
import re
import secrets

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from consent.billing_models import AuthorizationStatus, BillingAuthorization
from service.db import Base, digest
from service.plan.models import OrganizationKind, PortalFunction
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.attacks.billing import link, reached, second_group
from tests.consent.firm import CONTACT, Firm
from tests.factories import make_group, make_organization, make_payment, make_portal_staff

YES = {"functions": ["remittances", "claims", "eligibility"]}

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


@pytest.fixture
def contact(app: Flask) -> Visitor:
    """The contact's browser, in which nobody is signed in."""
    return Visitor(app)


def everything(session: Session) -> str:
    with Session(session.get_bind()) as own:
        # The reader's own look leaves its session's trace only where it signs in: these pages need no login.
        return repr([own.execute(text(f'SELECT * FROM "{name}"')).all() for name in sorted(Base.metadata.tables)])


def test_case_129_opening_the_link_changes_nothing_and_a_post_approves_without_an_account(
    firm: Firm, contact: Visitor, session: Session, settings: Settings
) -> None:
    firm.ask()
    address = link(firm)
    before = everything(session)
    for _ in range(3):
        shown = contact.get(address)
        assert shown.status_code == 200
        assert contact.browser.head(address).status_code == 200
        assert contact.browser.options(address).status_code == 200
    assert contact.get(f"{address}/yes").status_code == 405
    assert contact.get(f"{address}/no").status_code == 405
    assert everything(session) == before
    assert reached(session, firm.staff) == set()

    contact.get(address)
    assert contact.post_without_token(f"{address}/yes", **YES).status_code == 403, "a scanner's POST has no token"
    assert reached(session, firm.staff) == set()
    assert contact.post(f"{address}/yes", **YES).status_code == 200
    assert reached(session, firm.staff) == {firm.client.id}
    assert "You have access now" in letters(session, settings, firm.staff.account.email)[-1]
    assert "you allowed Keystone Billing LLC" in letters(session, settings, CONTACT.email)[-1]


def test_case_129_the_page_shows_who_asks_for_what_and_keeps_its_address_to_itself(
    firm: Firm, contact: Visitor
) -> None:
    firm.ask()
    shown = contact.get(link(firm))
    for expected in (
        "Keystone Billing LLC",
        firm.organization.tax_id[-4:],
        "Robin Vance",
        firm.client.name,
        "Pat Moss",
    ):
        assert expected in shown.text
    assert firm.organization.tax_id not in shown.text
    assert "071234501" not in shown.text
    assert shown.headers["Referrer-Policy"] in {"strict-origin", "no-referrer"}
    assert "noindex" in shown.headers["X-Robots-Tag"]
    assert shown.headers["Cache-Control"] == "no-store"


def test_case_129_the_secret_has_256_bits_and_only_its_digest_is_stored(firm: Firm, session: Session) -> None:
    asked = firm.ask()
    secret = firm.secret()
    assert len(secret) >= 43
    assert asked.secret_hash is not None
    assert len(asked.secret_hash) == 64
    assert secret not in everything(session)


def test_case_129_the_link_works_once(firm: Firm, contact: Visitor, session: Session) -> None:
    firm.ask()
    address = link(firm)
    contact.get(address)
    assert contact.post(f"{address}/no", reason="We do not know them.").status_code == 200
    assert contact.browser.get(address).status_code == 410
    assert contact.post(f"{address}/yes", **YES).status_code == 410
    assert contact.post(f"{address}/no", reason="Still not.").status_code == 410
    assert reached(session, firm.staff) == set()


def test_case_132_an_altered_link_opens_nothing(firm: Firm, contact: Visitor, session: Session) -> None:
    asked = firm.ask()
    secret = firm.secret()
    contact.get("/sign-in")
    token = _TOKEN.search(contact.page.text)
    assert token
    wrong = [
        secret[:-1] + ("A" if secret[-1] != "A" else "B"), secret[:-1], secret + "A", secret.swapcase(), asked.id,
        asked.secret_hash, digest(secret), firm.organization.id, firm.client.id, "x" * 5_000, "%00", "ünïcode",
        secrets.token_urlsafe(32), contact.sid(), html.unescape(token[1]),
    ]  # fmt: skip
    for one in wrong:
        answers = {contact.get(f"/provider/authorize/{one}").status_code}
        contact.get("/sign-in")
        answers.add(contact.post(f"/provider/authorize/{one}/yes", **YES).status_code)
        assert answers == {400}, one
    assert reached(session, firm.staff) == set()


def test_case_132_no_secret_of_another_purpose_and_no_bare_digest_fits(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask()
    # A token whose plain digest is what is stored here: the look-up is by purpose and secret together.
    secret = secrets.token_urlsafe(32)
    second = second_group(session)
    other = firm.ask(group_id=second.id, number=make_payment(session, second).number)
    other.secret_hash = digest(secret)
    session.commit()
    assert contact.get(f"/provider/authorize/{secret}").status_code == 400


def test_case_132_swapped_ids_and_scopes_in_the_form_change_nothing(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask(functions=frozenset({PortalFunction.REMITTANCES}))
    other = make_group(session)
    thief = make_organization(session, kind=OrganizationKind.BILLING)
    session.commit()
    address = link(firm)
    contact.get(address)
    for wrong in (["remittances", "claims"], ["profiles"], ["access"], ["*"], []):
        assert contact.post(f"{address}/yes", functions=wrong).status_code == 400, wrong
    assert session.scalar(select(func.count()).select_from(BillingAuthorization)) == 0
    session.commit()
    swapped = {"organization_id": thief.id, "group_id": other.id, "request_id": "x", "status": "approved"}
    assert contact.post(f"{address}/yes", functions=["remittances"], **swapped).status_code == 200
    given = session.scalars(select(BillingAuthorization)).one()
    assert (given.organization_id, given.group_id, given.functions) == (
        firm.organization.id, firm.client.id, ["remittances"],
    )  # fmt: skip


def test_case_132_a_firm_cannot_touch_another_firm_s_request(firm: Firm, app: Flask, session: Session) -> None:
    asked = firm.ask()
    thief = make_portal_staff(session, make_organization(session, kind=OrganizationKind.BILLING), is_delegate=True)
    session.commit()
    browser = Visitor(app)
    browser.enter(thief.account)
    assert browser.get(f"/provider/access/clients/{asked.id}").status_code == 404
    browser.get("/provider/access/clients/new")
    for verb in ("resend", "withdraw"):
        assert browser.post(f"/provider/access/clients/{asked.id}/{verb}").status_code == 404
    session.refresh(asked)
    assert (asked.status, asked.sends) == (AuthorizationStatus.ASKED, 1)
