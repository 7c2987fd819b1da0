"""The portal opens an app with its member in context (SMART-13, SMART-14); what else says which member is meant."""

import pytest
from sqlalchemy import select, text

from consent import representatives
from consent.models import EndedBy, RepresentativeLink
from oauth.apps import reviews
from oauth.authorization.launching import NotLaunchable
from service.accounts.models import Account, LoginSession
from service.clock import now
from service.plan.models import Member
from tests.attacks.refusals import refused_to_the_app
from tests.attacks.test_refresh_and_revocation import introspect
from tests.attacks.test_token_endpoint import is_refused
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.member.pages import Reader, form_to, represent
from tests.oauth.desk import CALLBACK, App, Code, Desk, answer_of, new_verifier
from tests.oauth.launches import ADDRESS, SCOPE, handle, launch


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


@pytest.fixture
def diary(desk: Desk) -> App:
    return desk.register(launch_uris=[ADDRESS, "https://app.example.org/start?x=1"])


def connected(
    reader: Reader, diary: App, *, press: dict[str, str | list[str]] | None = None, **asked: str
) -> dict[str, object]:
    """The token response after the whole way through the pages."""
    verifier = new_verifier()
    begun = reader.browser.get(
        "/oauth/authorize", query_string=reader.desk.parameters(diary, verifier, **({"prompt": "consent"} | asked))
    )
    answer = reader.allow(reader.follow(begun), **(press or {}))
    assert answer.location.startswith(CALLBACK), answer.text
    answered = reader.desk.exchange(Code(answer_of(answer.location)["code"], verifier, diary))
    assert answered.status_code == 200, answered.text
    body: dict[str, object] = answered.get_json()
    return body


def test_the_address_is_a_registered_one_with_iss_and_launch(desk: Desk, rosa: Reader, diary: App) -> None:
    told = launch(rosa, diary)
    assert told.startswith(f"{ADDRESS}?iss=") and set(answer_of(told)) == {"iss", "launch"}
    assert answer_of(told)["iss"] == desk.settings.fhir_base and len(answer_of(told)["launch"]) >= 43
    other = launch(rosa, diary, launch_uri="https://app.example.org/start?x=1")
    assert other.startswith("https://app.example.org/start?x=1&iss=")
    with desk.session() as session:
        assert answer_of(told)["launch"] not in str(session.execute(text("SELECT * FROM launch_handle")).all())


def test_only_what_may_be_launched_is(desk: Desk, rosa: Reader, diary: App) -> None:
    suspended = desk.register(launch_uris=[ADDRESS])
    with desk.session() as session:
        reviews.suspend(session, suspended.id, reason="test", settings=desk.settings)
    narrow = desk.register(launch_uris=[ADDRESS], scopes="launch/patient patient/*.rs")
    for refused, given in (
        (diary, {"launch_uri": "https://evil.example/launch"}), (diary, {"launch_uri": ADDRESS + "?x"}),
        (suspended, {}), (narrow, {}), (desk.register(), {}),
    ):  # fmt: skip
        with pytest.raises(NotLaunchable):
            launch(rosa, refused, **given)


def test_the_member_is_in_context_without_a_picker(desk: Desk, diary: App) -> None:
    with desk.session() as session:
        lucia, paul = make_member(session, given_name="Lucia"), make_member(session, given_name="Paul")
    represent(desk, desk.account, lucia)
    represent(desk, desk.account, paul)
    rosa = Reader(desk, desk.account)
    rosa.press(rosa.get("/select-member"), "/select-member", selected=lucia.patient_id)

    page = rosa.ask(diary, scope=SCOPE, launch=handle(rosa, diary, lucia))
    assert lucia.full_name in page.text and form_to(page.text, "/consent")
    assert "Not you? Switch account" not in page.text
    body = connected(rosa, diary, scope=SCOPE, launch=handle(rosa, diary, lucia))

    assert body["patient"] == lucia.patient_id
    assert set(str(body["scope"]).split()) == set(SCOPE.split())
    with desk.session() as session:
        assert session.scalars(text("SELECT DISTINCT member_id FROM consent_grant")).all() == [lucia.id]


@pytest.mark.parametrize("shows_member", [False, True])
def test_a_banner_is_needed_unless_the_portal_goes_on_showing_the_member(
    desk: Desk, rosa: Reader, diary: App, shows_member: bool
) -> None:
    body = connected(
        rosa, diary, scope=f"{SCOPE} offline_access", launch=handle(rosa, diary, shows_member=shows_member)
    )
    caller = desk.register_confidential(may_introspect=True)
    assert body["need_patient_banner"] is not shows_member
    assert introspect(desk, caller, str(body["access_token"]))["need_patient_banner"] is not shows_member
    again = desk.refresh(diary, str(body["refresh_token"])).get_json()
    assert again["need_patient_banner"] is not shows_member and again["patient"] == desk.member.patient_id


def test_a_handle_works_once_for_its_app_within_five_minutes(
    desk: Desk, rosa: Reader, diary: App, clock: MovableClock
) -> None:
    other = desk.register(launch_uris=[ADDRESS])
    given = handle(rosa, diary)
    assert refused_to_the_app(desk, desk.authorize(rosa.browser, other, scope=SCOPE, launch=given), "invalid_request")
    assert "/consent" in desk.authorize(rosa.browser, diary, scope=SCOPE, launch=given).location
    for bad in (given, "x", "x" * 5000, given + "x"):
        again = desk.authorize(rosa.browser, diary, scope=SCOPE, launch=bad)
        assert refused_to_the_app(desk, again, "invalid_request"), bad
    in_time, late = handle(rosa, diary), handle(rosa, diary)
    clock.advance(298)
    assert "/consent" in desk.authorize(rosa.browser, diary, scope=SCOPE, launch=in_time).location
    clock.advance(3)
    assert refused_to_the_app(desk, desk.authorize(rosa.browser, diary, scope=SCOPE, launch=late), "invalid_request")


def test_launch_and_its_scope_need_each_other(desk: Desk, rosa: Reader, diary: App) -> None:
    without = desk.authorize(rosa.browser, diary, scope="patient/*.rs", launch=handle(rosa, diary))
    assert refused_to_the_app(desk, without, "invalid_request")
    alone = desk.authorize(rosa.browser, diary, scope="launch patient/*.rs")
    assert refused_to_the_app(desk, alone, "invalid_request")
    # An diary that asks for either way of launching, opened by itself.
    body = connected(rosa, diary, scope="launch launch/patient patient/Coverage.rs")
    assert set(str(body["scope"]).split()) == {"launch/patient", "patient/Coverage.rs"}


def test_a_handle_is_bound_to_the_sign_in_it_was_made_in(desk: Desk, rosa: Reader, diary: App) -> None:
    thief = Reader(desk, desk.account)
    stranger, given = desk.app.test_client(), handle(thief, diary)
    for browser in (rosa.browser, stranger):
        with desk.session() as session:
            session.execute(text("UPDATE launch_handle SET spent_at = NULL"))
        answer = desk.authorize(browser, diary, scope=SCOPE, launch=given)
        assert refused_to_the_app(desk, answer, "invalid_request")
    given = handle(rosa, diary)  # of the thief's, newer session
    page = thief.ask(diary, scope=SCOPE, launch=given)
    thief.press(thief.get("/settings"), "/sign-out")
    assert thief.press(page, "/consent", answer="allow").status_code in {401, 403}


def test_a_member_chosen_since_stops_it_and_a_right_ended_since_refuses(desk: Desk, diary: App) -> None:
    with desk.session() as session:
        lucia, paul = make_member(session, given_name="Lucia"), make_member(session, given_name="Paul")
        maria = make_account(session)
    link = represent(desk, maria, lucia)
    represent(desk, maria, paul)
    reader = Reader(desk, maria)
    reader.press(reader.get("/select-member"), "/select-member", selected=lucia.patient_id)
    begun = desk.authorize(reader.browser, diary, scope=SCOPE, launch=handle(reader, diary, lucia))
    reader.press(reader.get("/select-member"), "/select-member", selected=paul.patient_id)
    assert reader.follow(begun).status_code == 409
    given = handle(reader, diary, lucia)
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, link.id), by=EndedBy.PLAN)
    assert refused_to_the_app(desk, reader.ask(diary, scope=SCOPE, launch=given), "access_denied")


def test_prompt_none_with_a_launch_is_about_the_launched_member(desk: Desk, rosa: Reader) -> None:
    diary = desk.register_confidential(launch_uris=[ADDRESS])
    first = desk.authorize(rosa.browser, diary, scope=SCOPE, launch=handle(rosa, diary), prompt="none")
    assert refused_to_the_app(desk, first, "consent_required")
    connected(rosa, diary, scope=SCOPE, launch=handle(rosa, diary))
    again = desk.authorize(rosa.browser, diary, scope=SCOPE, launch=handle(rosa, diary), prompt="none")
    assert answer_of(again.location)["code"]


def test_online_access_lives_as_long_as_the_sign_in(desk: Desk, rosa: Reader, clock: MovableClock) -> None:
    diary = desk.register(name="Pill Diary", launch_uris=[ADDRESS])
    page = rosa.ask(diary, scope=f"{SCOPE} online_access", launch=handle(rosa, diary))
    assert "while you are signed in here" in page.text and "while you are away" not in page.text
    body = connected(rosa, diary, scope=f"{SCOPE} online_access", launch=handle(rosa, diary))
    assert "online_access" in str(body["scope"])
    caller = desk.register_confidential(may_introspect=True)
    assert "online_access" in introspect(desk, caller, str(body["access_token"]))["scope"].split()
    assert "Only while you are signed in here" in rosa.get("/apps").text
    renewed = desk.refresh(diary, str(body["refresh_token"])).get_json()
    rosa.press(rosa.get("/settings"), "/sign-out")
    assert is_refused(desk.refresh(diary, renewed["refresh_token"]), "invalid_grant")

    again = Reader(desk, desk.account)
    idle = connected(again, diary, scope="launch/patient online_access patient/Coverage.rs")
    clock.advance(14 * 60)
    idle = desk.refresh(diary, str(idle["refresh_token"])).get_json()
    clock.advance(2 * 60)
    assert is_refused(desk.refresh(diary, idle["refresh_token"]), "invalid_grant"), "no app keeps a sign-in open"


def test_online_access_may_be_refused_and_offline_outlives_the_sign_in(desk: Desk, rosa: Reader) -> None:
    diary = desk.register()
    both = "launch/patient online_access offline_access patient/Coverage.rs"
    neither = connected(rosa, diary, scope=both, press={"online": [], "offline": []})
    assert "refresh_token" not in neither and "line_access" not in str(neither["scope"])
    assert "refresh_token" not in connected(rosa, diary, scope=both, press={"duration": "once"})
    # What stands is ticked beforehand: it was let in once.
    offline = connected(rosa, diary, scope=both, press={"duration": "thirteen_months"})
    with desk.session() as session:
        for row in session.scalars(select(LoginSession)):
            row.ended_at = now()
    assert desk.refresh(diary, str(offline["refresh_token"])).status_code == 200


def test_a_new_password_ends_online_access(desk: Desk, rosa: Reader) -> None:
    diary = desk.register()
    body = connected(rosa, diary, scope="launch/patient online_access patient/Coverage.rs")
    with desk.session() as session:
        session.get_one(Account, desk.account.id).credentials_version += 1
    assert is_refused(desk.refresh(diary, str(body["refresh_token"])), "invalid_grant")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("launch/patient", {"launch/patient"}), ("patient/Coverage.rs", {"patient/Coverage.rs"}),
        ("patient/Coverage.rs launch/encounter launch/coverage?role=x", {"patient/Coverage.rs"}),
    ],
)  # fmt: skip
def test_one_patient_is_in_context_however_it_was_asked(
    desk: Desk, rosa: Reader, asked: str, granted: set[str]
) -> None:
    body = connected(rosa, desk.register(), scope=asked)
    assert body["patient"] == desk.member.patient_id and set(str(body["scope"]).split()) == granted
    assert body["need_patient_banner"] is True and "fhirContext" not in body


def test_handles_and_members_are_no_other_persons(desk: Desk, diary: App) -> None:
    """Case 115, by a launch: whoever has no right to a member gets no handle that works for them."""
    with desk.session() as session:
        stranger = make_member(session)
        maria = make_account(session, member=make_member(session))
    reader = Reader(desk, maria)
    own = maria.member_id
    with desk.session() as session:
        mine = session.get_one(Member, own)
    given = handle(reader, diary, mine)
    with desk.session() as session:
        session.execute(text("UPDATE launch_handle SET member_id = :other"), {"other": stranger.id})
    assert refused_to_the_app(desk, reader.ask(diary, scope=SCOPE, launch=given), "access_denied")
