"""Cases 47 to 59 of security.md: refresh, revocation, introspection."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import Engine, func, select

from consent import grants, representatives
from consent.models import EndedBy, Grant, RepresentativeLink
from consent.policy import Access
from fhir.loading import ingest
from oauth import keys
from oauth.apps import changes, registration
from oauth.apps.app_content import AppContent
from oauth.models import Client, RefreshToken
from service.accounts.models import Account, AccountStatus
from service.accounts.notice_model import Notice, NoticeKind
from service.app import create_app
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.mail import OutboxMail, compose
from tests.attacks.test_token_endpoint import RACE_ROUNDS, is_refused, security_events
from tests.conftest import LiveServer, MovableClock
from tests.factories import make_account
from tests.fhir import records
from tests.fhir.conftest import Api, bundle, connect, loaded, system
from tests.member.pages import represent
from tests.oauth.desk import App, Desk

__all__ = ["connect", "loaded", "system"]

DAY = 86_400


def revoke(desk: Desk, app: App, token: str, **given: str) -> int:
    """The status of a revocation by `app`."""
    form = {"token": token} | given | ({} if app.secret else {"client_id": app.id})
    answer = desk.app.test_client().post("/oauth/revoke", data=form, headers=app.basic() if app.secret else {})
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code


def introspect(desk: Desk, caller: App, token: str, **given: str) -> Any:
    """What `caller` is told about a token."""
    answer = desk.app.test_client().post("/oauth/introspect", data={"token": token} | given, headers=caller.basic())
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store", answer.text
    return answer.get_json()


def standing(desk: Desk, app: App) -> Grant:
    """The live grant of an app."""
    with desk.session() as session:
        found = grants.live_grant(session, desk.account.id, desk.member.id, app.id)
        assert found
        return found


def test_case_047_refreshing_ends_the_old_pair_in_the_same_commit(desk: Desk) -> None:
    for app in (desk.register(), desk.register_confidential()):
        first = desk.connect(app)
        second = desk.refresh(app, first["refresh_token"]).get_json()
        assert second["refresh_token"] != first["refresh_token"] and second["access_token"] != first["access_token"]
        assert desk.works(second["access_token"]) and not desk.works(first["access_token"])
        third = desk.refresh(app, second["refresh_token"]).get_json()
        assert desk.works(third["access_token"]) and not desk.works(second["access_token"])


def test_case_048_a_reused_refresh_token_ends_the_family(desk: Desk, clock: MovableClock) -> None:
    for later in (0, 3600, -120):
        app = desk.register()
        first = desk.connect(app)
        second = desk.refresh(app, first["refresh_token"]).get_json()
        clock.advance(later)
        assert is_refused(desk.refresh(app, first["refresh_token"]), "invalid_grant")
        assert not desk.works(second["access_token"])
        assert is_refused(desk.refresh(app, second["refresh_token"]), "invalid_grant")
    assert security_events(desk, "oauth:token_family:refresh_reused") == 3
    with desk.session() as session:
        told = session.scalars(select(OutboxMail).where(OutboxMail.template == "app_disconnected")).all()
        assert [mail.recipient for mail in told] == [desk.account.email] * 3
        composed = [compose(mail, desk.settings, desk.settings.plan).get_content().replace("\n", " ") for mail in told]
        assert all("Health Diary" not in text and "does not name it" in text for text in composed), (
            "a name may tell an illness"
        )
        kept = session.scalars(select(Notice).where(Notice.kind == NoticeKind.APP_DISCONNECTED)).all()
        assert [(one.account_id, one.member_id) for one in kept] == [(desk.account.id, desk.member.id)] * 3


def test_case_048_the_member_hears_of_a_reused_token_of_who_acts_for_them(desk: Desk) -> None:
    with desk.session() as session:
        dana, out = make_account(session), make_account(session)
    represent(desk, dana, desk.member)
    link = represent(desk, out, desk.member)
    for account in (dana, out):
        app = desk.register()
        first = desk.connect(app, account=account)["refresh_token"]
        assert desk.refresh(app, first).status_code == 200
        if account is out:
            with desk.session() as session:
                representatives.block(session, session.get_one(RepresentativeLink, link.id), by_account_id=None)
        assert is_refused(desk.refresh(app, first), "invalid_grant")

    with desk.session() as session:
        mails = session.scalars(select(OutboxMail).where(OutboxMail.template == "app_disconnected")).all()
        kept = session.scalars(select(Notice).where(Notice.kind == NoticeKind.APP_DISCONNECTED)).all()
    me = desk.account
    assert sorted(mail.recipient for mail in mails) == sorted([dana.email, me.email, me.email])
    told = sorted((one.account_id, one.member_id or "") for one in kept)
    assert told == sorted([(dana.id, desk.member.id), *[(me.id, desk.member.id)] * 2]), "and nobody who is shut out"


def test_a_refresh_token_shown_by_another_app_is_refused_noted_and_still_its_owners(desk: Desk) -> None:
    owner, thief = desk.register(), desk.register_confidential()
    tokens, grant = desk.connect(owner), standing(desk, owner)

    assert is_refused(desk.refresh(thief, tokens["refresh_token"]), "invalid_grant")

    with desk.session() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "oauth:refresh_token:foreign")).one()
        assert (event.outcome, event.client_id, event.grant_id, event.detail) == (
            Outcome.REFUSED, thief.id, grant.id, {"issued_to": owner.id},
        )  # fmt: skip
    assert desk.works(tokens["access_token"])
    assert desk.refresh(owner, tokens["refresh_token"]).status_code == 200


def test_case_049_parallel_refreshes_have_one_winner_then_none(live_server: LiveServer, engine: Engine) -> None:
    desk = Desk(create_app(live_server.settings, engine))
    for callers in (*[8] * RACE_ROUNDS, 16):
        app = desk.register()
        token = desk.connect(app)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": app.id}

        def refresh(_: int, form: dict[str, str] = form) -> requests.Response:
            return requests.post(f"{live_server.url}/oauth/token", data=form, timeout=30)

        with ThreadPoolExecutor(callers) as pool:
            answers = list(pool.map(refresh, range(callers)))
        winners = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(winners) == 1 and {answer.status_code for answer in answers} == {200, 400}
        assert not desk.works(winners[0]["access_token"])
        assert is_refused(desk.refresh(app, winners[0]["refresh_token"]), "invalid_grant")
        with desk.session() as session:
            family = session.scalars(select(RefreshToken.family_id).order_by(RefreshToken.created_at.desc())).first()
            assert session.scalar(select(func.count()).where(RefreshToken.family_id == family)) == 2


def test_case_050_a_lost_reply_ends_the_family_on_repeat(desk: Desk) -> None:
    app = desk.register()
    token = desk.connect(app)["refresh_token"]
    lost = desk.refresh(app, token).get_json()
    assert is_refused(desk.refresh(app, token), "invalid_grant")
    assert not desk.works(lost["access_token"])


def test_a_refresh_token_of_another_app_is_refused_and_stays(desk: Desk) -> None:
    app, thief, confidential = desk.register(), desk.register(), desk.register_confidential()
    token = desk.connect(app)["refresh_token"]
    assert is_refused(desk.refresh(thief, token), "invalid_grant")
    assert is_refused(desk.refresh(confidential, token), "invalid_grant")
    assert is_refused(desk.refresh(app, "made-up"), "invalid_grant")
    assert desk.refresh(app, token).status_code == 200


def test_case_052_scopes_never_grow_and_narrowing_is_not_sticky(desk: Desk) -> None:
    app = desk.register()
    body = desk.connect(app, scope="offline_access launch/patient patient/Coverage.rs patient/Patient.read")
    token = body["refresh_token"]
    for wider in (
        "patient/*.rs",
        "patient/Coverage.cruds",
        "openid",
        "patient/Coverage.rs unknown",
        "user/Coverage.rs",
    ):
        assert is_refused(desk.refresh(app, token, scope=wider), "invalid_scope"), wider
    narrow = desk.refresh(app, token, scope="patient/Coverage.r").get_json()
    assert narrow["scope"] == "patient/Coverage.r"
    whole = desk.refresh(app, narrow["refresh_token"]).get_json()
    assert set(whole["scope"].split()) == set(body["scope"].split())
    same = desk.refresh(app, whole["refresh_token"], scope=body["scope"])
    assert set(same.get_json()["scope"].split()) == set(body["scope"].split())


def test_case_053_the_grant_ends_however_often_it_is_refreshed(desk: Desk, clock: MovableClock) -> None:
    app = desk.register()
    token = desk.connect(app)["refresh_token"]
    ends = standing(desk, app).expires_at
    while (ends - now()).total_seconds() > 80 * DAY:
        clock.advance(79 * DAY)
        token = desk.refresh(app, token).get_json()["refresh_token"]
    clock.advance((ends - now()).total_seconds() - 60)
    last = desk.refresh(app, token).get_json()
    assert last["expires_in"] <= 60
    clock.advance(61)
    assert not desk.works(last["access_token"])
    assert is_refused(desk.refresh(app, last["refresh_token"]), "invalid_grant")


def test_case_053_ninety_days_without_use_end_it(desk: Desk, clock: MovableClock) -> None:
    app = desk.register()
    used, idle = desk.connect(app)["refresh_token"], desk.connect(app)["refresh_token"]
    clock.advance(90 * DAY - 60)
    assert desk.refresh(app, used).status_code == 200
    clock.advance(61)
    assert is_refused(desk.refresh(app, idle), "invalid_grant")


def test_case_054_what_the_plan_takes_from_an_app_ends_wider_tokens_at_once(desk: Desk) -> None:
    app = desk.register()
    asked = "offline_access launch/patient patient/Coverage.rs patient/Patient.rs"
    wide, other = desk.connect(app, scope=asked), desk.connect(app, scope=asked)
    narrow = desk.refresh(app, other["refresh_token"], scope="launch/patient patient/Patient.r").get_json()
    resource_server = desk.register_confidential(may_introspect=True)
    with desk.session() as session:
        changes.narrow(session, app.id, "offline_access launch/patient patient/Patient.rs", reason="less")
    assert not desk.works(wide["access_token"]) and desk.works(narrow["access_token"])
    assert introspect(desk, resource_server, wide["access_token"]) == {"active": False}
    left = desk.refresh(app, wide["refresh_token"]).get_json()
    assert set(left["scope"].split()) == {"offline_access", "launch/patient", "patient/Patient.rs"}
    assert desk.works(left["access_token"])


def test_case_054_a_version_of_the_app_that_asks_less_ends_wider_tokens(desk: Desk) -> None:
    app = desk.register()
    wide = desk.connect(app, scope="offline_access launch/patient patient/Coverage.rs patient/Patient.rs")
    with desk.session() as session:
        client = session.get_one(Client, app.id)
        content = AppContent.of(client)
        registration.write_content(
            session, client, replace(content, scopes="offline_access launch/patient patient/Patient.rs"), desk.settings
        )
    assert not desk.works(wide["access_token"])
    assert desk.works(desk.refresh(app, wide["refresh_token"]).get_json()["access_token"])


def test_case_054_a_narrower_consent_ends_wider_tokens_and_keeps_the_refresh_token(desk: Desk) -> None:
    app = desk.register()
    wide = desk.connect(app)
    desk.agree(app, ticked="offline_access launch/patient patient/Coverage.rs")
    assert not desk.works(wide["access_token"])
    narrower = desk.refresh(app, wide["refresh_token"]).get_json()
    assert set(narrower["scope"].split()) == {"offline_access", "launch/patient", "patient/Coverage.rs"}


def test_case_055_every_hint_finds_the_token(desk: Desk) -> None:
    app = desk.register_confidential()
    for kind in ("access_token", "refresh_token"):
        for hint in (
            {},
            {"token_type_hint": "access_token"},
            {"token_type_hint": "refresh_token"},
            {"token_type_hint": "x"},
        ):
            body = desk.connect(app)
            assert revoke(desk, app, body[kind], **hint) == 200
            assert not desk.works(body["access_token"]), (kind, hint)
            gone = desk.refresh(app, body["refresh_token"]).status_code == 400
            assert gone == (kind == "refresh_token")


def test_case_055_revocation_tells_nothing_and_touches_nothing_foreign(desk: Desk) -> None:
    app, other, public = desk.register_confidential(), desk.register_confidential(), desk.register()
    body, of_public = desk.connect(app), desk.connect(public)
    assert revoke(desk, other, body["access_token"]) == 200
    assert revoke(desk, other, body["refresh_token"]) == 200
    assert revoke(desk, other, "unknown") == 200
    assert desk.works(body["access_token"])
    assert revoke(desk, public, of_public["refresh_token"]) == 200
    assert not desk.works(of_public["access_token"])
    assert revoke(desk, app, "") == 400
    nobody = desk.app.test_client().post("/oauth/revoke", data={"token": body["access_token"]})
    assert is_refused(nobody, "invalid_client", 401)


def test_case_057_revoking_a_refresh_token_ends_the_family_an_access_token_only_itself(desk: Desk) -> None:
    app = desk.register()
    phone, laptop = desk.connect(app), desk.connect(app)
    revoke(desk, app, phone["access_token"])
    assert not desk.works(phone["access_token"])
    renewed = desk.refresh(app, phone["refresh_token"]).get_json()
    assert desk.works(renewed["access_token"])
    revoke(desk, app, renewed["refresh_token"])
    assert not desk.works(renewed["access_token"])
    assert desk.works(laptop["access_token"])


def test_case_058_only_resource_servers_and_the_owner_are_told(desk: Desk) -> None:
    app, other = desk.register_confidential(), desk.register_confidential()
    resource_server = desk.register_confidential(may_introspect=True)
    body = desk.connect(app)
    assert introspect(desk, other, body["access_token"]) == {"active": False}
    for caller in (app, resource_server):
        told = introspect(desk, caller, body["access_token"])
        assert told["active"] is True and told["client_id"] == app.id
        assert set(told["scope"].split()) == set(body["scope"].split())
        assert told["patient"] == body["patient"] and told["need_patient_banner"] is True
        assert told["iss"] == desk.settings.base_url and told["fhirUser"].endswith(f"/Patient/{body['patient']}")
    for caller in (other, resource_server):
        assert introspect(desk, caller, body["refresh_token"]) == {"active": False}
    assert introspect(desk, app, body["id_token"]) == {"active": False}


def test_case_059_inactive_is_one_answer(desk: Desk, clock: MovableClock) -> None:
    caller = desk.register_confidential(may_introspect=True)
    app = desk.register()
    replaced = desk.connect(app)
    desk.refresh(app, replaced["refresh_token"])
    revoked = desk.connect(app)
    revoke(desk, app, revoked["access_token"])
    disabled = desk.connect(app)
    with desk.session() as session:
        session.get_one(Account, desk.account.id).status = AccountStatus.DISABLED
    for token in ("unknown", replaced["access_token"], revoked["access_token"], disabled["access_token"]):
        for hint in ({}, {"token_type_hint": "x"}):
            assert introspect(desk, caller, token, **hint) == {"active": False}
    with desk.session() as session:
        session.get_one(Account, desk.account.id).status = AccountStatus.ACTIVE
    assert introspect(desk, caller, disabled["access_token"])["active"] is True
    clock.advance(3600)
    assert introspect(desk, caller, disabled["access_token"]) == {"active": False}


def test_case_060_no_page_is_served_after_a_revocation(
    desk: Desk, connect: Callable[..., Api], engine: Engine, system: Access
) -> None:
    api = connect()
    more = [records.observation(f"o{n}-{api.patient_id}", api.patient_id) for n in range(250)]
    ingest.load_resources(engine, more, access=system)
    first = bundle(api.get("Observation?_count=1000"))
    assert len(first["entry"]) <= 100, "an answer holds a page at most, and is whole when it begins to leave"
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    with desk.session() as session:
        (grant,) = session.scalars(select(Grant).where(Grant.ended_at.is_(None)))
        grants.revoke(session, grant, by=EndedBy.MEMBER)
    refused = api.get(following)
    assert refused.status_code == 401 and b"Observation" not in refused.data
    assert connect().get(following).status_code == 404, "nor does a token of another grant open the link"


def test_revoking_in_the_console_ends_every_token_of_the_app_and_no_other(desk: Desk) -> None:
    app, other = desk.register(), desk.register()
    phone, laptop, elsewhere = desk.connect(app), desk.connect(app), desk.connect(other)
    code = desk.agree(app)
    with desk.session() as session:
        grants.revoke(session, session.get_one(Grant, standing(desk, app).id), by=EndedBy.MEMBER)
    assert not desk.works(phone["access_token"]) and not desk.works(laptop["access_token"])
    assert desk.works(elsewhere["access_token"])
    for body in (phone, laptop):
        assert is_refused(desk.refresh(app, body["refresh_token"]), "invalid_grant")
    assert is_refused(desk.exchange(code), "invalid_grant")


def test_case_063_rotated_keys_are_published_before_they_sign(desk: Desk, clock: MovableClock) -> None:
    app, browser = desk.register(), desk.app.test_client()
    old = desk.connect(app)["id_token"]
    with desk.session() as session:
        fresh = keys.rotate(session, desk.settings.secret_key)
    published = browser.get("/oauth/jwks").get_json()["keys"]
    assert published[0]["kid"] == fresh and len(published) == 2
    assert not any(set(key) & {"d", "p", "q", "dp", "dq", "qi"} for key in published)
    every = KeySet.import_key_set({"keys": published})

    def kid(token: str) -> object:
        return jwt.decode(token, every, algorithms=["RS256"]).header["kid"]

    assert kid(desk.connect(app)["id_token"]) == kid(old) != fresh
    cache = re.search(r"max-age=(\d+)", browser.get("/oauth/jwks").headers["Cache-Control"])
    assert cache and int(cache[1]) == 3600
    clock.advance(3600)
    last = desk.connect(app)["id_token"]
    assert kid(last) == kid(old), "a set cached until the commit is still without the new key"
    clock.advance(61)
    assert kid(desk.connect(app)["id_token"]) == fresh
    assert len(browser.get("/oauth/jwks").get_json()["keys"]) == 2
    clock.advance(898)
    assert kid(last) in {key["kid"] for key in browser.get("/oauth/jwks").get_json()["keys"]}, "until it is over"
    clock.advance(70)
    assert [key["kid"] for key in browser.get("/oauth/jwks").get_json()["keys"]] == [fresh]
