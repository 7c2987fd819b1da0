"""Case 145 of security.md at lost second factors: two people of the plan, never the owner's own, and no way around."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts import passkeys, passwords, second_factors
from service.accounts.models import Account
from service.accounts.passkey_answers import Made
from service.plan.models import PendingAct, StaffRole
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.attacks.looks import look_at, rows, services
from tests.factories import make_account, make_developer, make_member, make_plan_staff, make_portal_staff, make_totp
from tests.staff.console import Clerk, make_clerk

SAID = {"identity": "called back on the number on file", "reason": "lost the phone in a river"}


def _lose(session: Session, settings: Settings, account: Account) -> Account:
    make_totp(session, settings, account)
    second_factors.new_recovery_codes(session, settings.secret_key, account)
    passkeys.add(session, account, Made(account.id.encode(), b"key", 0, ""), "Phone in a river")
    session.commit()
    return account


def _act(session: Session) -> PendingAct:
    act = session.scalars(select(PendingAct)).one()
    session.commit()
    return act


def _approve(clerk: Clerk, act: PendingAct) -> int:
    clerk.browser.get("/staff/second-looks/")
    return clerk.browser.post(f"/staff/second-looks/{act.id}/approve").status_code


def test_case_145_a_members_lost_factors_go_on_the_word_of_two(
    app: Flask, session: Session, settings: Settings
) -> None:
    member = make_member(session)
    owner = _lose(session, settings, make_account(session, member=member))
    browser = Visitor(app)
    browser.sign_in_with_factor(owner)
    asker, other = services(app, session), make_clerk(app, session, StaffRole.MEMBER_SERVICES)
    path = look_at(asker, member).replace("/staff/members/looks/", "/staff/factor-resets/member/")
    asker.browser.get(path)
    assert asker.browser.post(path, reason=SAID["reason"], identity=" ").status_code == 400
    assert asker.browser.post(path, **SAID).location == "/staff/second-looks/?done=asked"
    act = _act(session)
    assert second_factors.has_factor(session, owner.id), "one person alone changes nothing"
    session.commit()
    assert _approve(asker, act) == 409
    page = other.browser.get("/staff/second-looks/").text
    for words in (owner.full_name, SAID["identity"], SAID["reason"], asker.account.full_name):
        assert words in page

    assert _approve(other, act) == 303

    assert not second_factors.has_factor(session, owner.id)
    assert second_factors.codes_left(session, owner) == 0
    session.commit()
    [row] = rows(session, "accounts:factor:remove_all")
    assert (row.account_id, row.member_id, row.reason) == (other.account.id, member.id, SAID["reason"])
    assert browser.get("/settings").location == "/sign-in?next=/settings"
    # The password alone does not let in: a code goes to the address that the account has.
    assert browser.sign_in(owner).location.startswith("/sign-in/code")
    page = browser.get("/sign-in/code").text
    assert "because we were told that you lost them" in page and "several people shared" not in page
    assert f"{owner.email[0]}•••@" in page and owner.email not in page, "whoever knows the password learns no address"
    told = letters(session, settings, owner.email)
    assert any("two people" in letter for letter in told)


def test_case_145_a_portal_logins_lost_factors_are_seen_by_provider_services_alone(
    app: Flask, session: Session, settings: Settings
) -> None:
    login = make_portal_staff(session)
    _lose(session, settings, login.account)
    asker = make_clerk(app, session, StaffRole.PROVIDER_SERVICES)
    others = [make_clerk(app, session, role) for role in (StaffRole.MEMBER_SERVICES, StaffRole.PROVIDER_SERVICES)]
    path = f"/staff/factor-resets/login/{login.id}"
    asker.browser.get(path)
    asker.browser.post(path, **SAID)
    act = _act(session)
    asker.browser.get(path)
    assert asker.browser.post(path, **SAID).status_code == 409, "it waits already"
    assert [_approve(each, act) for each in others] == [404, 303]
    assert not second_factors.has_factor(session, login.account_id)


def test_case_145_nobody_resets_their_own_and_there_must_be_something_to_reset(
    app: Flask, session: Session, settings: Settings
) -> None:
    clerk = make_clerk(app, session, StaffRole.PROVIDER_SERVICES)
    own = make_portal_staff(session, account=session.get_one(Account, clerk.account.id))
    without = make_portal_staff(session)
    session.commit()
    for login in (own, without):
        path = f"/staff/factor-resets/login/{login.id}"
        clerk.browser.get(path)
        assert clerk.browser.post(path, **SAID).status_code == 409
    assert session.scalar(select(PendingAct.id)) is None


def test_case_145_a_colleagues_factor_is_not_reached_by_what_else_they_are(
    app: Flask, session: Session, settings: Settings
) -> None:
    administrator, login = make_plan_staff(session, StaffRole.ADMINISTRATOR), make_portal_staff(session)
    _lose(session, settings, administrator.account)
    _lose(session, settings, login.account)
    own = make_portal_staff(session, account=administrator.account)
    session.commit()
    asker, other = (make_clerk(app, session, StaffRole.PROVIDER_SERVICES) for _each in range(2))
    asker.browser.get(f"/staff/factor-resets/login/{own.id}")

    refused = asker.browser.post(f"/staff/factor-resets/login/{own.id}", **SAID)

    assert refused.status_code == 409 and "ask an administrator" in refused.text
    asker.browser.get(f"/staff/factor-resets/login/{login.id}")
    assert asker.browser.post(f"/staff/factor-resets/login/{login.id}", **SAID).status_code == 303
    make_plan_staff(session, StaffRole.MEMBER_SERVICES, account=login.account)
    session.commit()
    assert _approve(other, _act(session)) == 409, "appointed meanwhile"
    assert second_factors.has_factor(session, login.account_id)


def test_case_145_a_developers_and_a_colleagues_lost_factors_go_the_same_way(
    app: Flask, session: Session, settings: Settings
) -> None:
    developer = make_developer(session)
    colleague = make_plan_staff(session, StaffRole.APP_REVIEWER)
    _lose(session, settings, developer.account)
    _lose(session, settings, colleague.account)
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    reviewers = [make_clerk(app, session, StaffRole.APP_REVIEWER) for _each in range(2)]
    administrator = make_clerk(app, session, StaffRole.ADMINISTRATOR)
    ways = (
        (f"developer/{developer.account_id}", reviewers[0], reviewers[1], developer.account),
        (f"colleague/{colleague.id}", administrator, officer, colleague.account),
    )
    listed = administrator.browser.get("/staff/colleagues/").text
    assert f"/staff/factor-resets/colleague/{colleague.id}" in listed
    assert f"/staff/factor-resets/colleague/{administrator.staff.id}" not in listed
    for way, asker, other, owner in ways:
        path = f"/staff/factor-resets/{way}"
        stranger = officer if asker is reviewers[0] else reviewers[0]
        assert stranger.browser.get(path).status_code == 404
        asker.browser.get(path)
        assert asker.browser.post(path, **SAID).location == "/staff/second-looks/?done=asked"
        act = session.scalars(select(PendingAct).where(PendingAct.subject_id == owner.id)).one()
        session.commit()
        assert (_approve(asker, act), _approve(stranger, act)) == (409, 404)
        assert second_factors.has_factor(session, owner.id)
        session.commit()
        assert _approve(other, act) == 303
        assert not second_factors.has_factor(session, owner.id)
        session.commit()
    browser = Visitor(app)
    assert browser.sign_in(colleague.account).location.startswith("/sign-in/code")
    assert browser.get("/staff/").status_code == 303, "no console without the code"


@pytest.mark.parametrize("role", [StaffRole.APP_REVIEWER, StaffRole.MEMBER_SERVICES])
def test_case_145_other_roles_do_not_ask_for_a_portal_login(app: Flask, session: Session, role: StaffRole) -> None:
    login = make_portal_staff(session)
    session.commit()
    clerk = make_clerk(app, session, role)
    assert clerk.browser.get(f"/staff/factor-resets/login/{login.id}").status_code in {403, 404}


def test_case_145_a_sign_in_begun_before_the_reset_opens_nothing(
    app: Flask, session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = make_member(session)
    owner = _lose(session, settings, make_account(session, member=member))
    asker, other = services(app, session), make_clerk(app, session, StaffRole.MEMBER_SERVICES)
    path = look_at(asker, member).replace("/staff/members/looks/", "/staff/factor-resets/member/")
    asker.browser.get(path)
    asker.browser.post(path, **SAID)
    act, thief, verify = _act(session), Visitor(app), passwords.verify_hash

    def reset_meanwhile(known: str | None, password: str) -> bool:
        monkeypatch.setattr(passwords, "verify_hash", verify)
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(_approve, other, act).result() == 303
        return verify(known, password)

    monkeypatch.setattr(passwords, "verify_hash", reset_meanwhile)
    thief.sign_in(owner)
    assert not second_factors.has_factor(session, owner.id)
    session.commit()
    assert thief.get("/settings").status_code == 303, "the password alone opens nothing"
