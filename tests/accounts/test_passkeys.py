"""Passkeys: added, asked for, shown, named, taken away."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts import passkeys, second_factors
from service.accounts.models import Account, LoginSession, Passkey
from service.audit import AuditEvent
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.factor_pages import set_up
from tests.accounts.passkey_device import ADD, Device, add, question, sign_in
from tests.accounts.visitor import Visitor, letters
from tests.factories import PASSWORD, make_account, make_plan_staff, make_portal_staff, make_totp

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_CODES = re.compile(r"<li><code translate=\"no\">([0-9a-z-]+)</code>")


def test_a_passkey_is_added_in_settings_and_alone_signs_in(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    visitor.sign_in(account)
    assert "/settings/second-factor" in visitor.get("/settings").text
    device = add(visitor)
    assert len(set(_CODES.findall(visitor.page.text))) == 10, "the first factor brings its recovery codes"
    assert "passkey was added" in letters(session, settings, account.email)[-1]
    page = visitor.get("/settings/second-factor").text
    assert "My phone" in page
    assert "Not yet" in page
    visitor.post("/sign-out")
    assert sign_in(visitor, device, following="/people").location == "/people"
    assert visitor.get("/member").status_code == 200
    assert visitor.get("/settings/second-factor/recovery-codes").status_code == 200, "as good as password and code"
    assert "Not yet" not in visitor.get("/settings/second-factor").text


def test_the_password_alone_makes_half_a_login_that_the_passkey_completes(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    device = add(visitor)
    visitor.get("/settings")
    visitor.post("/sign-out")
    assert visitor.sign_in(account, following="/people").location == "/sign-in/factor?next=/people"
    page = visitor.get("/sign-in/factor?next=/people").text
    assert "Use a passkey" in page
    assert "Code from your authenticator app" not in page, "there is no app"
    assert visitor.get("/member").location == "/sign-in/factor?next=/member"
    answer = sign_in(visitor, device, path="/sign-in/factor?next=/people", following="/people")
    assert answer.location == "/people"
    assert visitor.get("/member").status_code == 200


def test_whoever_runs_no_script_goes_on_with_a_recovery_code_or_the_app(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    assert "Passkeys need JavaScript" in visitor.get(ADD).text
    add(visitor)
    code = _CODES.findall(visitor.page.text)[0]
    visitor.get("/settings")
    visitor.post("/sign-out")
    visitor.sign_in(account)
    visitor.get("/sign-in/factor")
    assert visitor.post("/sign-in/factor", recovery_code=code).location == "/start"


def test_an_app_beside_a_passkey_keeps_the_recovery_codes(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    device = add(visitor)
    _secret, answer = set_up(visitor)
    assert answer.location == "/settings/second-factor?done=app"
    visitor.get("/settings")
    visitor.post("/sign-out")
    visitor.sign_in(account)
    page = visitor.get("/sign-in/factor").text
    assert "Code from your authenticator app" in page
    assert "Use a passkey" in page
    assert sign_in(visitor, device, path="/sign-in/factor").location == "/start"


def test_a_passkey_stands_for_the_password_where_that_is_asked_for_again(visitor: Visitor, account: Account) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in(account)
        device = add(visitor)
        before = visitor.sid()
        clock.shift(timedelta(minutes=5))
        assert visitor.get("/apps").location == "/confirm-password?next=/apps"
        assert "Use a passkey instead" in visitor.get("/confirm-password?next=/apps").text
        answer = sign_in(visitor, device, path="/confirm-password?next=/apps", following="/apps")
        assert answer.location == "/apps"
        assert visitor.get("/apps").status_code == 200
        assert visitor.sid() != before


def test_removing_a_passkey_needs_a_fresh_step_up_and_signs_the_others_out(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    owner, other = Visitor(app), Visitor(app)
    with time_machine.travel(NOON, tick=False) as clock:
        owner.sign_in(account)
        device = add(owner)
        assert sign_in(other, device).location == "/start"
        kept = session.scalars(select(Passkey)).one()
        session.commit()
        remove = f"/settings/second-factor/passkeys/{kept.id}/remove"
        assert "last thing we ask for" in owner.get(remove).text
        clock.shift(timedelta(minutes=5))
        assert owner.post(remove).location.startswith("/confirm-password?next=")
        assert owner.get(remove).location == f"/confirm-password?next={remove}"
        sign_in(owner, device, path="/confirm-password")
        owner.get(remove)
        assert owner.post(remove).location == "/settings/second-factor?done=passkey_removed"
        assert owner.get("/settings").status_code == 200
        assert other.get("/settings").location == "/sign-in?next=/settings"
        assert owner.get("/settings/second-factor/recovery-codes").location == "/settings/second-factor"
    assert second_factors.codes_left(session, account) == 0
    session.commit()
    assert "passkey of your account" in letters(session, settings, account.email)[-1]
    tags = set(session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("accounts:passkey:"))))
    assert tags == {"accounts:passkey:add", "accounts:passkey:remove"}


def test_a_passkey_beside_the_app_is_removed_without_the_recovery_codes(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    make_totp(session, settings, account)
    second_factors.new_recovery_codes(session, settings.secret_key, account)
    session.commit()
    visitor.sign_in_with_factor(account)
    add(visitor)
    kept = session.scalars(select(Passkey)).one()
    session.commit()
    visitor.get(f"/settings/second-factor/passkeys/{kept.id}/remove")
    visitor.post(f"/settings/second-factor/passkeys/{kept.id}/remove")
    assert second_factors.codes_left(session, account) == 10


def test_a_passkey_is_renamed(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    add(visitor)
    kept = session.scalars(select(Passkey)).one()
    session.commit()
    path = f"/settings/second-factor/passkeys/{kept.id}/name"
    visitor.get(path)
    for wrong in ("", "   ", "x" * 61, "a\u202eb", "a\nb"):
        assert visitor.post(path, name=wrong).status_code == 400
    assert visitor.post(path, name="Büro <laptop>").location == "/settings/second-factor?done=named"
    assert "Büro &lt;laptop&gt;" in visitor.get("/settings/second-factor").text


def test_nobody_names_or_removes_anothers_passkey(app: Flask, account: Account, session: Session) -> None:
    owner, other = Visitor(app), Visitor(app)
    stranger = make_account(session)
    session.commit()
    owner.sign_in(account)
    add(owner)
    kept = session.scalars(select(Passkey)).one()
    kept_name = kept.name
    session.commit()
    other.sign_in(stranger)
    for what in ("name", "remove"):
        path = f"/settings/second-factor/passkeys/{kept.id}/{what}"
        assert other.get(path).location == "/settings/second-factor"
        other.get("/settings")
        assert other.post(path, name="mine").location == "/settings/second-factor"
    session.expire_all()
    assert session.scalars(select(Passkey)).one().name == kept_name


def test_a_device_is_told_which_passkeys_there_are_and_the_same_is_not_kept_twice(
    visitor: Visitor, account: Account, session: Session
) -> None:
    visitor.sign_in(account)
    device = add(visitor)
    visitor.get(ADD)
    asked = question(visitor, "/settings/second-factor/passkeys/question")
    (excluded,) = asked["publicKey"]["excludeCredentials"]
    assert excluded["transports"] == ["hybrid", "internal"]
    answer = visitor.post(ADD, question=asked["question"], answer=device.make(asked), name="again")
    assert answer.status_code == 409
    assert "in your account already" in answer.text
    assert len(passkeys.list_of(session, account.id)) == 1


def test_an_account_has_ten_passkeys_at_most(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    for number in range(passkeys.MOST):
        add(visitor, name=f"number {number}")
    assert "Add a passkey" not in visitor.get("/settings/second-factor").text
    visitor.get(ADD)
    asked = question(visitor, "/settings/second-factor/passkeys/question")
    assert visitor.post(ADD, question=asked["question"], answer=Device().make(asked)).status_code == 409
    assert len(passkeys.list_of(session, account.id)) == passkeys.MOST


@pytest.mark.parametrize("path", ["/provider/home", "/staff/"])
def test_delegates_and_plan_staff_may_set_up_a_passkey_instead_of_an_app(
    visitor: Visitor, session: Session, path: str
) -> None:
    account = make_account(session)
    make_portal_staff(session, account=account, is_delegate=True)
    make_plan_staff(session, *StaffRole, account=account)
    session.commit()
    visitor.sign_in(account)
    setting_up = visitor.get(path).location
    assert f"{ADD}?next={path}" in visitor.get(setting_up).text
    add(visitor, path=f"{ADD}?next={path}")
    assert f'href="{path}"' in visitor.page.text
    assert visitor.get(path).status_code == 200


def test_without_a_name_the_passkey_is_kept_all_the_same(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    add(visitor, name=" ")
    assert session.scalars(select(Passkey.name)).one() == "Passkey"


def test_a_new_browser_that_signs_in_by_a_passkey_is_told_of_and_then_known(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    owner, elsewhere = Visitor(app), Visitor(app)
    owner.sign_in(account)
    device = add(owner)
    sign_in(elsewhere, device)
    assert "new" in letters(session, settings, account.email)[-1].splitlines()[2].lower()
    whole = session.scalars(select(LoginSession).where(LoginSession.factor_at.is_not(None))).all()
    assert all(each.device_id for each in whole)


def test_the_pages_speak_spanish(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    assert "Agregar una llave de acceso" in visitor.get(f"{ADD}?lang=es").text


def test_a_new_password_leaves_the_passkey_and_does_not_pass_it_by(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    device = add(visitor)
    visitor.get("/settings")
    visitor.post("/sign-out")
    assert visitor.sign_in(account, PASSWORD).location == "/sign-in/factor?next=/start"
    assert sign_in(visitor, device, path="/sign-in/factor").location == "/start"
