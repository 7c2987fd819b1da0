"""After sign-in each lands in their own place, and who has several chooses."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.plan.models import StaffRole, StaffStatus
from tests.accounts.visitor import Visitor
from tests.factories import (
    make_account,
    make_member,
    make_plan_staff,
    make_portal_staff,
    make_representative,
)


@pytest.mark.parametrize(
    ("places", "home"),
    [
        ((), "/member"), (("member",), "/member"), (("representative",), "/member"),
        (("provider",), "/provider/home"), (("waiting",), "/provider/home"), (("staff",), "/staff/"),
        (("deactivated",), "/member"), (("member", "deactivated"), "/member"),
    ],
)  # fmt: skip
def test_who_has_one_place_lands_there(app: Flask, session: Session, places: tuple[str, ...], home: str) -> None:
    visitor = _person(app, session, places)
    assert visitor.get("/start").location == home
    assert visitor.get("/").location == home


@pytest.mark.parametrize(
    ("places", "shown"),
    [
        (("member", "provider"), {"/member", "/provider/home"}),
        (("representative", "staff"), {"/member", "/staff/"}),
        (("member", "provider", "staff"), {"/member", "/provider/home", "/staff/"}),
    ],
)  # fmt: skip
def test_who_has_several_chooses(app: Flask, session: Session, places: tuple[str, ...], shown: set[str]) -> None:
    visitor = _person(app, session, places)
    assert visitor.get("/").location == "/start"
    page = visitor.get("/start")
    assert page.status_code == 200
    assert {path for path in ("/member", "/provider/home", "/staff/") if f'<h2><a href="{path}"' in page.text} == shown


def test_the_page_is_for_people_who_are_signed_in(app: Flask) -> None:
    assert Visitor(app).get("/start").location == "/sign-in?next=/start"


def _person(app: Flask, session: Session, places: tuple[str, ...]) -> Visitor:
    account = make_account(session, member=make_member(session) if "member" in places else None)
    if "representative" in places:
        make_representative(session, account)
    if "provider" in places:
        make_portal_staff(session, account=account)
    if "waiting" in places:
        make_portal_staff(session, account=account, status=StaffStatus.AWAITING_PIN)
    if "deactivated" in places:
        make_portal_staff(session, account=account, status=StaffStatus.DEACTIVATED)
    if "staff" in places:
        make_plan_staff(session, StaffRole.PROVIDER_SERVICES, account=account)
    session.commit()
    visitor = Visitor(app)
    assert visitor.sign_in(account).location == "/start"
    return visitor
