# ruff: noqa: RUF001 - lookalike letters are among the attacks
"""Cases 14 and 15 of security.md: prompt and max_age at the authorization endpoint."""

import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from consent import grants, representatives
from consent.models import Basis, EndedBy
from service.accounts.models import LoginSession
from service.clock import now
from tests.accounts.factors import code_of, secret_of, sign_in_with_factor
from tests.attacks.refusals import refused_to_the_app
from tests.attacks.test_openid import claims_of
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account, make_member, make_representative
from tests.member.pages import Reader, form_to
from tests.oauth.desk import (
    Code,
    Desk,
    answer_of,
    new_verifier,
    pending_id,
)


def test_case_014_prompt_none_never_shows_a_page(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none"), "login_required")
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none login"), "invalid_request")
    desk.sign_in(browser)
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none"), "consent_required")
    desk.connect(app)
    answer = desk.authorize(browser, app, prompt="none")
    assert answer.status_code == 303 and answer_of(answer.location)["code"]
    wider = desk.authorize(browser, app, prompt="none", scope="openid user/*.rs")
    assert refused_to_the_app(desk, wider, "consent_required")
    with desk.session() as session:
        grant = grants.live_grant(session, desk.account.id, desk.member.id, app.id)
        assert grant
        grants.revoke(session, grant, by=EndedBy.MEMBER)
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none"), "consent_required")


def test_case_014_prompt_none_answers_for_whom_the_hint_names_alone(desk: Desk, clock: MovableClock) -> None:
    app, other = desk.register(), desk.register()
    with desk.session() as session:
        children = [make_member(session), make_member(session)]
        parent = make_account(session)
        dana = make_representative(session, parent)
        for child in children:
            representatives.link(session, dana, child, basis=Basis.GUARDIAN, timezone=desk.settings.plan.timezone)
    mine, foreign = (desk.connect(one)["id_token"] for one in (app, other))
    of_children = {
        child.patient_id: desk.connect(app, account=parent, member=child)["id_token"] for child in children
    }  # fmt: skip
    browser, parents = desk.app.test_client(), desk.app.test_client()
    clock.advance(10 * 60)
    desk.sign_in(browser)
    desk.sign_in(parents, parent)
    # The hints are over by now, as they mostly are where an app asks anew.
    clock.advance(6 * 60)

    def asked(reader: FlaskClient, hint: str | None) -> TestResponse:
        begun = reader.post("/oauth/authorize", data=desk.parameters(app, prompt="none", id_token_hint=hint))
        assert begun.status_code == 303, begun.text
        return reader.get(begun.location)

    assert answer_of(asked(browser, mine).location)["code"]
    for hint in (*of_children.values(), foreign, f"{mine[:-8]}AAAAAAAA", "x", "e30.e30."):
        assert refused_to_the_app(desk, asked(browser, hint), "login_required"), hint
    assert refused_to_the_app(desk, asked(parents, mine), "login_required")
    assert refused_to_the_app(desk, asked(parents, None), "consent_required"), "which child is not said"
    for patient_id, hint in of_children.items():
        verifier = new_verifier()
        given = desk.parameters(app, verifier, prompt="none", id_token_hint=hint)
        answer = parents.get("/oauth/authorize", query_string=given)
        code = Code(answer_of(answer.location)["code"], verifier, app)
        assert desk.exchange(code).get_json()["patient"] == patient_id
    # Where pages may be shown, the person says who they are.
    assert "/consent" in desk.authorize(browser, app, id_token_hint=foreign, prompt="consent").location


def test_case_015_prompt_login_and_max_age_ask_for_the_password_again(desk: Desk, clock: MovableClock) -> None:
    app, browser = desk.register(), desk.app.test_client()
    desk.sign_in(browser)
    clock.advance(30)
    for changed in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "20"}):
        answer = desk.authorize(browser, app, **changed)
        assert "/confirm-password" in answer.location, changed
        # Coming back without having given it asks again, and the consent page cannot be reached around it.
        assert "/confirm-password" in browser.get(f"/oauth/authorize/{pending_id(answer.location)}").location
    assert "/consent" in desk.authorize(browser, app, max_age="60").location
    for bad in ("-1", "1.5", "x", "١", "9" * 30):
        assert refused_to_the_app(desk, desk.authorize(browser, app, max_age=bad), "invalid_request")


def test_case_015_the_second_factor_is_asked_for_again_too(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    with time_machine.travel(now(), tick=False) as clock:
        sign_in_with_factor(browser, desk.account)
        clock.shift(60)
        asked_at = now()
        request_id = pending_id(desk.authorize(browser, app, prompt="login").location)
        clock.shift(1)
        assert _confirm(desk, browser, request_id).status_code == 303
        here = f"/oauth/authorize/{request_id}"
        assert browser.get(here).location.startswith("/sign-in/factor"), "the password alone is half of it"
        assert browser.get(f"/consent?request={request_id}").location == here
        clock.shift(31)
        with desk.session() as session:
            code = code_of(secret_of(session, desk.settings, desk.account))
        page = browser.get(browser.get(here).location)
        form = form_to(page.text, "/sign-in/factor")
        assert browser.post(form.action, data=form.changed(code=code)).status_code == 303
        assert "/consent" in browser.get(here).location
        with desk.session() as session:
            given_at = session.scalars(select(LoginSession.authenticated_at)).one()
        assert given_at > asked_at


def test_case_015_auth_time_is_after_the_request_that_asked_for_a_sign_in(desk: Desk) -> None:
    app, rosa, verifier = desk.register(), Reader(desk, desk.account), new_verifier()
    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(60)
        asked_at = int(now().timestamp())
        given = desk.parameters(app, verifier, max_age="0")
        request_id = pending_id(rosa.browser.get("/oauth/authorize", query_string=given).location)
        clock.shift(2)
        assert _confirm(desk, rosa.browser, request_id).status_code == 303
        answer = rosa.allow(rosa.follow(rosa.get(f"/oauth/authorize/{request_id}")))
        body = desk.exchange(Code(answer_of(answer.location)["code"], verifier, app)).get_json()
        assert claims_of(desk, body["id_token"])["auth_time"] == asked_at + 2


def _confirm(desk: Desk, browser: FlaskClient, request_id: str) -> TestResponse:
    """Give the password again on the way to a kept request."""
    page = browser.get("/confirm-password", query_string={"next": f"/oauth/authorize/{request_id}"})
    form = form_to(page.text, "/confirm-password")
    return browser.post(form.action, data=form.changed(username=desk.account.username, password=PASSWORD))
