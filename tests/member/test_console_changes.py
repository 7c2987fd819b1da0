"""Pause, resume and share less: what each does to tokens, who may do it, and what a form may not."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from consent.models import ChangeKind, Duration, GrantChange, GrantStatus
from consent.scopes import parse
from service.audit import AuditEvent
from service.clock import now
from service.days import in_words
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account, make_member
from tests.member.console import Connected, connected
from tests.member.counting import Statements
from tests.member.pages import Reader, form_to, forms_of, represent
from tests.member.weights import MOST_BYTES, weight_of
from tests.oauth.desk import Desk, answer_of

LAB = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
VITAL = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
PARTS = f"openid offline_access patient/Observation.rs?category={LAB} patient/Observation.rs?category={VITAL}"


def changes(desk: Desk) -> list[tuple[ChangeKind, str]]:
    with desk.session() as session:
        found = session.scalars(select(GrantChange).order_by(GrantChange.at))
        return [(one.kind, one.account_id) for one in found]


def test_a_paused_app_is_shut_out_at_once_and_goes_on_with_its_tokens_when_resumed(desk: Desk) -> None:
    app = connected(desk)
    before = dict(app.tokens)

    assert app.press("pause").location == "/apps?done=paused"

    assert not app.works
    refused = app.refresh()
    assert refused.status_code == 400 and refused.get_json()["error"] == "temporarily_unavailable"
    assert "paused" in refused.get_json()["error_description"] and refused.headers["Retry-After"] == "3600"
    page = app.reader.get("/apps").text
    assert "Paused apps" in page and "Paused since" in page and ", by you" in page
    assert app.press("resume").location == "/apps?done=resumed"
    assert app.works and app.tokens == before
    assert app.refresh().status_code == 200 and app.works
    me = desk.account.id
    assert changes(desk) == [(ChangeKind.PAUSED, me), (ChangeKind.RESUMED, me)]
    with desk.session() as session:
        tags = session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("consent:grant:"))).all()
    assert [tag.rpartition(":")[2] for tag in tags] == ["give", "paused", "resumed"]


def test_pressing_twice_and_going_back_do_no_harm(desk: Desk) -> None:
    app = connected(desk)
    page = app.reader.get("/apps")
    pause = next(form for form in forms_of(page.text) if form.action.endswith("/pause"))
    revoke = next(form for form in forms_of(page.text) if form.action.endswith("/revoke"))
    for _ in range(2):
        assert app.reader.browser.post(pause.action, data=pause.fields).status_code == 303
    assert [kind for kind, _who in changes(desk)] == [ChangeKind.PAUSED]
    assert app.reader.browser.post(revoke.action, data=revoke.fields).status_code == 303

    deeds = (pause.action.replace("pause", deed) for deed in ("pause", "resume", "narrow"))
    late = [app.reader.browser.post(action, data=pause.fields) for action in deeds]

    ended = f"/apps/{app.grant.id}/ended"
    assert [answer.location for answer in late] == [ended] * 3
    assert "Access ended" in app.reader.get(ended).text
    assert app.reader.get(f"/apps/{app.grant.id}/narrow").location == ended
    assert [kind for kind, _who in changes(desk)] == [ChangeKind.PAUSED]


def test_resume_wants_a_fresh_password_and_pause_does_not(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    page = app.reader.get("/apps")
    clock.advance(301)
    form = next(one for one in forms_of(page.text) if one.action.endswith("/pause"))

    assert app.reader.browser.post(form.action, data=form.fields).location == "/apps?done=paused"
    asked = app.reader.browser.post(form.action.replace("pause", "resume"), data=form.fields)

    assert "/confirm-password" in asked.location and app.grant.status is GrantStatus.PAUSED


def test_a_paused_grant_ends_when_its_time_is_over(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk, duration=Duration.ONCE)
    app.press("pause")
    clock.advance(timedelta(hours=2).total_seconds())

    _, _, former = Reader(desk, desk.account).get("/apps").text.partition("<h2>Former apps</h2>")

    assert app.app.view.name in former and "because the time that was chosen was over" in former


def test_a_yes_to_the_app_resumes_it_and_the_screen_says_so(desk: Desk) -> None:
    app = connected(desk)
    app.press("pause")

    page = app.reader.ask(app.app)
    assert "You have paused this app" in page.text
    assert "code" in answer_of(app.reader.allow(page).location)

    assert app.works and app.grant.status is GrantStatus.ACTIVE
    assert [kind for kind, _who in changes(desk)] == [ChangeKind.PAUSED, ChangeKind.RESUMED]


def test_sharing_less_ends_wider_tokens_and_the_refresh_gives_what_is_left(desk: Desk) -> None:
    app = connected(desk)
    answer = app.narrow(data=["claims", "coverage"])

    assert answer.location == "/apps?done=narrowed"
    assert not app.works
    assert app.refresh().status_code == 200
    assert app.scope == {"Claim", "ClaimResponse", "Coverage", "ExplanationOfBenefit"}
    assert app.works and changes(desk) == [(ChangeKind.NARROWED, desk.account.id)]
    page = app.reader.get("/apps?done=narrowed").text
    assert "now sees less" in page and "Claims and costs" in page and "Medicines" not in page


def test_what_is_unchanged_ends_no_token(desk: Desk) -> None:
    app = connected(desk)

    assert app.narrow().location == "/apps?done=unchanged"

    assert app.works and changes(desk) == []


def test_very_personal_topics_and_reading_while_away_are_taken_back(desk: Desk) -> None:
    rosa, app = Reader(desk, desk.account), desk.register()
    rosa.allow(rosa.ask(app), sensitive=["hiv", "genetic"])
    held = Connected(desk, rosa, app, {})
    form = form_to(rosa.get(f"/apps/{held.grant.id}/narrow").text, f"/apps/{held.grant.id}/narrow")
    assert form.ticked("sensitive") == ["hiv", "genetic"]

    # What was never ticked has no box, and a tick made by hand counts for nothing.
    held.narrow(sensitive=["genetic", "mental_health"], offline=[])

    grant = held.grant
    assert grant.sensitive_classes == ["genetic"] and not grant.offline
    assert "offline_access" not in grant.scopes and grant.version == 2


def test_one_part_of_a_type_is_unticked(desk: Desk) -> None:
    app = connected(desk, scope=PARTS)
    form = form_to(app.reader.get(f"/apps/{app.grant.id}/narrow").text, f"/apps/{app.grant.id}/narrow")
    assert form.ticked("part") == ["Observation-laboratory", "Observation-vital-signs"]

    app.narrow(part=["Observation-laboratory"])

    app.refresh()
    assert [str(one) for one in parse(app.tokens["scope"]).resources] == [f"patient/Observation.rs?category={LAB}"]
    # Only one part is left: the type's own box stands for it.
    assert "part" not in app.reader.get(f"/apps/{app.grant.id}/narrow").text.partition("<form")[2].split("name=")


def test_an_earlier_last_day_counts_and_a_later_one_is_refused(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    zone = desk.settings.plan.timezone
    today = now().astimezone(zone).date()
    agreed = app.grant.expires_at

    for day, told in (
        ((agreed + timedelta(days=3)).date(), "later than what you agreed to"), (today - timedelta(days=1), "is over"),
    ):  # fmt: skip
        answer = app.narrow(last_day=day.isoformat(), data=["claims"])
        assert answer.status_code == 400 and told in answer.text
        form = form_to(answer.text, f"/apps/{app.grant.id}/narrow")
        assert form.ticked("data") == ["claims"] and form.fields["last_day"] == day.isoformat()
    for odd in ("soon", "", "0001-01-01", "9999-12-31", "2026-13-45", "13/45/2026", "9" * 5_000):
        answer = app.narrow(last_day=odd)
        assert answer.status_code == 400 and "enter a day as month/day/year" in answer.text
        assert form_to(answer.text, f"/apps/{app.grant.id}/narrow").fields["last_day"] == odd[:40]
    assert app.grant.expires_at == agreed and app.works

    assert app.narrow(last_day=f" {today:%m/%d/%Y}").status_code == 303, "as people type it"

    ends = app.grant.expires_at.astimezone(zone)
    assert (ends.hour, ends.minute, ends.date()) == (0, 0, today + timedelta(days=1))
    assert f"<dt>Shared until</dt><dd>{in_words(today)}</dd>" in app.reader.get("/apps").text, "the day that was chosen"
    assert app.refresh().status_code == 200 and app.works
    clock.advance((ends - now()).total_seconds() + 1)
    assert not app.works and app.refresh().status_code == 400


def test_nothing_left_is_no_narrowing(desk: Desk) -> None:
    app = connected(desk)

    answer = app.narrow(data=[])

    assert answer.status_code == 400 and "Leave at least one type checked" in answer.text
    assert app.works and changes(desk) == []


def test_after_sharing_less_the_app_asks_again_and_the_page_shows_what_is_left(desk: Desk) -> None:
    rosa, app = Reader(desk, desk.account), desk.register_confidential()
    rosa.allow(rosa.ask(app), sensitive=["hiv"], duration="three_months")
    held = Connected(desk, rosa, app, {})
    held.narrow(data=["claims", "results"], part=["Observation-laboratory"], offline=[])
    left = held.grant.scopes

    silent = rosa.ask(app, prompt="none")
    page = rosa.ask(app)

    assert "code" in answer_of(silent.location) and held.grant.scopes == left
    form = form_to(page.text, "/consent")
    assert form.ticked("data") == ["claims", "results"] and form.ticked("duration") == ["three_months"]
    assert [one for one in form.ticked("part") if one.startswith("Observation")] == ["Observation-laboratory"]
    assert form.ticked("offline") == [] and form.ticked("sensitive") == []
    every = [value for (name, value) in form.boxes if name == "data"]
    parts = [value for (name, value) in form.boxes if name == "part"]
    rosa.allow(page, data=every, part=parts, offline="yes")
    assert "patient/*.rs" in held.grant.scopes and held.grant.offline
    assert "code" in answer_of(rosa.ask(app).location), "all of it stands again"


def test_what_is_left_is_asked_for_without_a_page(desk: Desk) -> None:
    rosa, app = Reader(desk, desk.account), desk.register_confidential()
    rosa.allow(rosa.ask(app))
    Connected(desk, rosa, app, {}).narrow(data=["coverage"])

    assert "code" in answer_of(rosa.ask(app, scope="openid patient/Coverage.rs").location)
    asked = form_to(rosa.ask(app, scope="openid patient/Coverage.rs patient/Condition.rs").text, "/consent")
    assert asked.ticked("data") == ["coverage"]


def test_what_was_ticked_outlives_a_session_that_ran_out(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    path = f"/apps/{app.grant.id}/narrow"
    form = form_to(app.reader.get(path).text, path)
    clock.advance(16 * 60)

    answer = app.reader.browser.post(path, data=form.changed(data=["claims"], last_day="2027-01-15"))

    assert answer.status_code == 303 and "/sign-in" in answer.location
    assert "claims" not in answer.location and changes(desk) == []
    kept = next(one for one in answer.headers.getlist("Set-Cookie") if one.startswith("kept_form="))
    assert "claims" not in kept and "HttpOnly" in kept and f"Path={path}" in kept
    page = app.reader.browser.get(answer.location)
    entry = form_to(page.text, "/sign-in")
    back = app.reader.browser.post(entry.action, data=entry.changed(username=desk.account.username, password=PASSWORD))
    shown = app.reader.follow(back)
    assert "You had to sign in or confirm" in shown.text
    again = form_to(shown.text, path)
    assert again.ticked("data") == ["claims"] and again.fields["last_day"] == "2027-01-15"
    assert app.reader.browser.post(path, data=again.fields).location == "/apps?done=narrowed"
    assert "You had to sign in or confirm" not in app.reader.get(path).text


def test_what_was_kept_of_another_browser_or_too_long_ago_is_not_shown(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    path = f"/apps/{app.grant.id}/narrow"
    form = form_to(app.reader.get(path).text, path)
    clock.advance(16 * 60)
    sealed = app.reader.browser.post(path, data=form.changed(data=["claims"])).headers["Set-Cookie"]
    value = sealed.partition("=")[2].partition(";")[0]
    for odd in (value, value[:-9], "x", "é"):
        other = Reader(desk, desk.account)
        other.browser.set_cookie("kept_form", odd, path=path)
        assert "You had to sign in or confirm" not in other.get(path).text
    clock.advance(601)
    app.reader.follow(desk.sign_in(app.reader.browser, desk.account))
    assert "You had to sign in or confirm" not in app.reader.get(path).text


def test_two_tabs_with_two_members_never_mix(desk: Desk) -> None:
    app = connected(desk)
    with desk.session() as session:
        child = make_member(session)
    represent(desk, desk.account, child)
    rosa = Reader(desk, desk.account)
    rosa.press(rosa.get("/select-member"), "/select-member", selected=desk.member.patient_id)
    page = rosa.get("/apps")
    narrowing = form_to(rosa.get(f"/apps/{app.grant.id}/narrow").text, f"/apps/{app.grant.id}/narrow")
    forms = [narrowing, *(form for form in forms_of(page.text) if form.action.startswith("/apps/"))]
    rosa.press(rosa.get("/select-member"), "/select-member", selected=child.patient_id)

    # The forms of before are void altogether; even with a token of now their member is compared.
    token = form_to(rosa.get("/settings").text, "/settings/language").fields["csrf_token"]
    old = [rosa.browser.post(form.action, data=form.changed(data=["claims"])) for form in forms]
    answers = [rosa.browser.post(form.action, data=form.changed(csrf_token=token)) for form in forms]

    assert len(forms) == 3 and {answer.status_code for answer in old} == {403}
    assert {answer.status_code for answer in answers} == {409}
    assert app.works and changes(desk) == []


@pytest.mark.parametrize("apps", [1, 6])
def test_each_page_takes_six_statements_at_most(desk: Desk, engine: Engine, apps: int) -> None:
    rosa = Reader(desk, desk.account)
    held = [connected(desk, rosa) for _ in range(apps)]
    held[0].narrow(data=["claims", "results"])
    held[0].used("ExplanationOfBenefit", 3)
    held[-1].press("revoke")
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)
    hers = connected(desk, Reader(desk, dana))
    hers.press("pause", rosa)
    asked = rosa.ask(desk.register_confidential())
    request_id = form_to(asked.text, "/consent").fields["request"]
    one = f"/apps/{held[0].grant.id}"
    pages = ["/apps", f"{one}/activity", held[0].receipt, f"/consent?request={request_id}"]
    pages += [f"/apps/{held[-1].grant.id}/ended"] + ([f"{one}/narrow"] if apps > 1 else [])
    counted = Statements(engine)
    # What is asked of the database once a second, for whichever request, is no statement of a page.
    desk.app.extensions["latchstring.trials"]._until = float("inf")
    rosa.get("/settings")
    for page in pages:
        counted.clear()
        answer = rosa.get(page)
        assert answer.status_code == 200, page
        assert 0 < counted.taken <= 6, (page, counted.said)
    for page in pages:
        assert weight_of(rosa, rosa.get(page)) < MOST_BYTES, page
