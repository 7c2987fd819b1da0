"""What servers and the worker do while SECRET_KEY is changed, and where a key was taken away too early."""

import html
import re
from dataclasses import replace

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from service import mail
from service.accounts import second_factors
from service.accounts.models import Account
from service.app import create_app
from service.mail import MailState, OutboxMail
from service.sandbox import mail_catcher
from tests.accounts.factors import code_of
from tests.cli.keys.installation import Installation
from tests.conftest import MovableClock, deliver_due, free_port
from tests.factories import (
    PASSWORD,
    make_account,
    make_totp,
)


def sign_in(given_out: FlaskClient, sent_to: FlaskClient, cookie: str, *, browser: str = "") -> int:
    """Send a form to another server than the one that gave it out; the status of the answer.

    It goes with the cookie that came with the form, or with that of another `browser`.
    """
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', given_out.get("/sign-in").text)
    own = given_out.get_cookie(cookie)
    assert found and own
    sent_to.set_cookie(cookie, browser or own.value)
    form = {"username": "rosa", "password": PASSWORD, "csrf_token": html.unescape(found[1])}
    return sent_to.post("/sign-in", data=form).status_code


def test_two_servers_of_both_settings_take_each_other_s_forms_and_factors(plan: Installation) -> None:
    of_old, of_new, alone = (
        create_app(settings, plan.engine) for settings in (plan.prepared, plan.turned, plan.done)
    )  # fmt: skip
    cookie = plan.old.cookie_name
    for one, other in ((of_old, of_new), (of_new, of_old)):
        assert sign_in(one.test_client(), other.test_client(), cookie) == 303
    assert sign_in(of_old.test_client(), alone.test_client(), cookie) == 403, "no key is named: the form is told over"
    another = f"{'a' * 22}.{'b' * 43}"
    assert sign_in(of_old.test_client(), of_new.test_client(), cookie, browser=another) == 403

    with plan.sessions.begin() as session:
        bruno = make_account(session, username="bruno")
        secret = make_totp(session, plan.turned, bruno)
        bruno_id = bruno.id
    with plan.sessions.begin() as session:
        shown = second_factors.show(
            session, plan.prepared.secret_key, session.get_one(Account, bruno_id), code_of(secret)
        )
        assert shown is second_factors.Shown.APP


def test_a_mail_that_no_key_opens_holds_up_no_other(plan: Installation, clock: MovableClock) -> None:
    reachable = replace(plan.done, smtp_port=free_port(), secret_key_previous=())
    with plan.sessions.begin() as session:
        for sealed in (mail.seal(b"lost" * 8, "000000"), mail.seal(reachable.secret_key, "123456")):
            mail.enqueue(session, to="one@example.org", template="sign_in_code", sealed_code=sealed)
    with mail_catcher.catching(reachable):
        deliver_due(plan.sessions, reachable)
    with plan.sessions() as session:
        theirs = select(OutboxMail.state).where(OutboxMail.recipient == "one@example.org").order_by(OutboxMail.id)
        assert list(session.scalars(theirs)) == [MailState.WAITING, MailState.SENT]


def test_a_mail_that_no_key_opens_waits_for_the_key(plan: Installation, clock: MovableClock) -> None:
    reachable = replace(plan.done, smtp_port=free_port())
    with mail_catcher.catching(reachable):
        assert deliver_due(plan.sessions, reachable) == 0
        with plan.sessions() as session:
            waiting = session.scalars(select(OutboxMail).where(OutboxMail.template == "password_code")).one()
            assert waiting.state is MailState.WAITING and waiting.context["sealed_code"]
        clock.advance(5)
        named = replace(reachable, secret_key_previous=(plan.old.secret_key,))
        assert deliver_due(plan.sessions, named) == 1


def send_factor(client: FlaskClient, code: str, language: str) -> TestResponse:
    """Send the second factor in the browser that gave the password."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(f"/sign-in/factor?lang={language}").text)
    assert found
    form = {"code": code, "csrf_token": html.unescape(found[1])}
    return client.post("/sign-in/factor", data=form)


def test_a_factor_that_no_key_opens_is_told_as_our_fault(plan: Installation) -> None:
    """The key was taken away too early: who signs in learns that it is not they who erred, and may come again."""
    early = create_app(plan.done, plan.engine).test_client()
    assert sign_in(early, early, plan.old.cookie_name) == 303
    for language, words in (("en", "The fault is ours"), ("es", "El fallo es nuestro")):
        answer = send_factor(early, code_of(plan.totp), language)
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "60"
        assert words in answer.text
    named = create_app(plan.turned, plan.engine).test_client()
    assert sign_in(named, named, plan.old.cookie_name) == 303
    assert send_factor(named, code_of(plan.totp), "en").status_code == 303, "no try was counted, no code used up"
