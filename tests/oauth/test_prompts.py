"""What an app may say about the sign-in: select_account, login_hint, ui_locales (OpenID Connect Core §3.1.2.1)."""

import pytest

from tests.accounts.visitor import Visitor
from tests.factories import PASSWORD, make_account, make_member
from tests.member.pages import Reader, form_to
from tests.oauth.desk import Desk, answer_of


def test_select_account_lets_the_person_choose_though_all_was_agreed(desk: Desk) -> None:
    app, rosa = desk.register_confidential(), Reader(desk, desk.account)
    desk.connect(app)
    assert "code" in answer_of(rosa.ask(app).location), "agreed before: straight through"

    page = rosa.ask(app, prompt="select_account")
    assert "Whose information do you want to share?" in page.text and "Not you? Switch account" in page.text
    form = form_to(page.text, "/consent/member")
    assert form.options == [(desk.member.patient_id, f"My own information ({desk.member.full_name})")]
    assert "code" in answer_of(rosa.choose(page, desk.member).location)


def test_another_account_may_be_chosen_and_is_not_asked_again(desk: Desk) -> None:
    app, rosa = desk.register(), Reader(desk, desk.account)
    with desk.session() as session:
        paul = make_account(session, member=make_member(session, given_name="Paul"))
    page = rosa.ask(app, prompt="select_account")
    switch = next(form for form in page.text.split("<form")[1:] if "Switch account" in form)
    token, following = (switch.split(f'name="{name}" value="')[1].split('"')[0] for name in ("csrf_token", "next"))
    out = rosa.browser.post("/sign-out", data={"csrf_token": token, "next": following.replace("&amp;", "&")})
    asked = rosa.follow(out)
    form = form_to(asked.text, "/sign-in")
    sent = form.changed(username=paul.username, password=PASSWORD)
    consent = rosa.follow(rosa.browser.post(form.action, data=sent))
    assert "Paul" in consent.text and form_to(consent.text, "/consent")


def test_select_account_sends_strangers_to_sign_in_and_goes_not_with_none(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    assert "/sign-in" in desk.authorize(browser, app, prompt="select_account").location
    told = answer_of(desk.authorize(browser, app, prompt="none select_account").location)
    assert told["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("hint", "shown"),
    [("rosa.diaz", "rosa.diaz"), ("x" * 65, ""), ("a\nb", ""), ('"><script>', "&#34;&gt;&lt;script&gt;")],
)
def test_login_hint_fills_in_the_user_name_of_its_request(desk: Desk, hint: str, shown: str) -> None:
    app, browser = desk.register(), desk.app.test_client()
    page = browser.get(desk.authorize(browser, app, login_hint=hint).location).text
    field = next(line for line in page.split("<input") if 'name="username"' in line)
    assert (f'value="{shown}"' in field) if shown else ("value=" not in field)
    assert "value=" not in next(
        line for line in browser.get("/sign-in").text.split("<input") if 'name="username"' in line
    )


def test_ui_locales_say_the_language_of_sign_in_and_consent(desk: Desk) -> None:
    app, who = desk.register(), Visitor(desk.app)
    begun = desk.authorize(who.browser, app, ui_locales="fr es-MX en")
    assert '<html lang="es"' in who.get(begun.location).text
    address = who.post(begun.location, username=desk.account.username, password=PASSWORD).location
    while (page := who.get(address)).status_code == 303:
        address = page.location
    assert '<html lang="es"' in page.text and form_to(page.text, "/consent")
    assert '<html lang="en"' in who.get("/help").text, "for this request only"
