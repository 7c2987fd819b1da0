"""A desk from which tests drive the authorization server: an app, a member who says yes, and the app's requests."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent import decisions, grants
from consent.decisions import Asked, Chosen
from consent.models import Answer, Duration, Grant
from consent.representatives import right_for
from consent.scopes import parse
from oauth.apps import registration
from oauth.apps.clients import AuthMethod, ClientKind, ClientView
from oauth.apps.registration import Registration
from oauth.authorization import flows
from service import web
from service.accounts.amr import Method
from service.accounts.models import Account, LoginSession
from service.accounts.sessions import Login
from service.clock import now
from service.db import digest, new_id
from service.plan.models import Member
from service.settings import Settings
from tests.factories import PASSWORD, make_account, make_member

CALLBACK = "https://app.example.org/callback"
SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"


def new_verifier() -> str:
    """A PKCE verifier."""
    return secrets.token_urlsafe(48)


def challenge_of(verifier: str) -> str:
    """Its S256 challenge."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


@dataclass
class App:
    """A registered app with its secret."""

    view: ClientView
    secret: str | None
    redirect_uri: str = CALLBACK

    @property
    def id(self) -> str:
        return self.view.id

    def basic(self, secret: str | None = None) -> dict[str, str]:
        """The Authorization header of HTTP Basic."""
        pair = f"{self.id}:{secret if secret is not None else self.secret}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


@dataclass
class Code:
    """A code as the app received it."""

    value: str
    verifier: str
    app: App

    def form(self, **changed: str | None) -> dict[str, str]:
        """The exchange's body."""
        body = {
            "grant_type": "authorization_code", "code": self.value, "redirect_uri": self.app.redirect_uri,
            "code_verifier": self.verifier, "client_id": self.app.id,
        } | changed  # fmt: skip
        return {name: value for name, value in body.items() if value is not None}


@dataclass
class Desk:
    """Drives one application on one database."""

    app: Flask
    member: Member = field(init=False)
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        with self.session() as session:
            self.member = make_member(session)
            self.account = make_account(session, member=self.member)

    @property
    def settings(self) -> Settings:
        held: web.Latchstring = self.app.extensions["latchstring"]
        return held.settings

    def session(self) -> "Committing":
        """A database session of an application context, committed at the end."""
        return Committing(self.app)

    def register(self, **given: Any) -> App:
        """An approved app; public unless told otherwise."""
        values: dict[str, Any] = {
            "name": f"Health Diary {secrets.token_hex(4)}", "redirect_uris": [CALLBACK],
            "developer_name": "Example Apps Inc.",
        } | given  # fmt: skip
        with self.session() as session:
            view, secret = registration.register(session, Registration(**values), settings=self.settings)
        return App(view, secret, next(iter(values["redirect_uris"]), ""))

    def register_confidential(self, method: AuthMethod = AuthMethod.BASIC, **given: Any) -> App:
        """An approved app with a secret."""
        return self.register(kind=ClientKind.CONFIDENTIAL, token_endpoint_auth_method=method, **given)

    def parameters(self, app: App, verifier: str = "", **changed: str | None) -> dict[str, str]:
        """A valid authorization request, with some parameters changed or left out (None)."""
        fixed: dict[str, str | None] = {
            "response_type": "code", "client_id": app.id, "redirect_uri": app.redirect_uri, "scope": SCOPE,
            "state": "state-1", "aud": self.settings.fhir_base,
            "code_challenge": challenge_of(verifier or new_verifier()), "code_challenge_method": "S256",
        }  # fmt: skip
        return {name: value for name, value in (fixed | changed).items() if value is not None}

    def authorize(self, browser: FlaskClient, app: App, **changed: str | None) -> TestResponse:
        """GET the authorization endpoint."""
        return browser.get("/oauth/authorize", query_string=self.parameters(app, "", **changed))

    def agree(
        self, app: App, *, account: Account | None = None, member: Member | None = None, ticked: str | None = None,
        duration: Duration = Duration.THIRTEEN_MONTHS, offline: bool = True, **changed: str | None,
    ) -> Code:  # fmt: skip
        """Drive a request to its code as the consent page does, without the pages."""
        verifier = new_verifier()
        account, member = account or self.account, member or self.member
        browser = self.app.test_client()
        begun = browser.get("/oauth/authorize", query_string=self.parameters(app, verifier, **changed))
        assert begun.status_code == 303, begun.text
        request_id = pending_id(begun.location)
        with self.session() as session:
            pending = flows.get_pending(session, request_id, browser_id(self.settings, browser))
            asked = str(pending.scopes)
            grant = self.give(session, app, account, member, ticked or asked, duration, offline, asked)
            once = duration is Duration.ONCE
            url = flows.answer(session, pending, grant=grant, login=login_of(session, account), once=once)
        return Code(answer_of(url)["code"], verifier, app)

    def give(
        self, session: Session, app: App, account: Account, member: Member, scopes: str, duration: Duration,
        offline: bool, asked: str | None = None,
    ) -> Grant:  # fmt: skip
        """The decision and the grant of a yes."""
        account = session.get_one(Account, account.id)
        choice = right_for(session, account, member.id)
        assert choice is not None
        question = Asked(app.id, 1, parse(asked or scopes), "en", "1", {})
        chosen = Chosen(parse(scopes), duration=duration, offline=offline)
        decision = decisions.record(session, account, choice, question, answer=Answer.ALLOW, chosen=chosen)
        return grants.give(session, decision, choice)

    def token(
        self, form: dict[str, str], app: App | None = None, *, proof: str | None = None, **given: Any
    ) -> TestResponse:  # fmt: skip
        """POST the token endpoint; a confidential `app` authenticates by Basic. `proof` is sent as DPoP header."""
        headers = (app.basic() if app and app.secret else {}) | ({} if proof is None else {"DPoP": proof})
        return self.app.test_client().post("/oauth/token", data=form, headers=headers, **given)

    def exchange(self, code: Code, *, proof: str | None = None, **changed: str | None) -> TestResponse:
        """Exchange a code as its own app does."""
        form = code.form(**changed)
        if code.app.secret:
            form.pop("client_id", None)
        return self.token(form, code.app, proof=proof)

    def refresh(self, app: App, refresh_token: str, *, proof: str | None = None, **given: str) -> TestResponse:
        """Refresh as `app` does."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token} | given
        return self.token(form if app.secret else form | {"client_id": app.id}, app, proof=proof)

    def connect(self, app: App, **given: Any) -> dict[str, Any]:
        """The whole way: the token response."""
        answer = self.exchange(self.agree(app, **given))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.get_json()
        return body

    def works(self, access_token: str) -> bool:
        """Whether the access token lets anybody in at this moment."""
        from oauth.tokens import token_rows
        from oauth.tokens.token_problems import InvalidToken

        with self.session() as session:
            try:
                token_rows.check(session, access_token)
            except InvalidToken:
                return False
            return True

    def sign_in(self, browser: FlaskClient, account: Account | None = None, next_page: str = "/") -> TestResponse:
        """Sign in on the page."""
        import re

        page = browser.get("/sign-in", query_string={"next": next_page})
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert token, page.text
        return browser.post(
            "/sign-in", query_string={"next": next_page},
            data={
                "username": (account or self.account).username, "password": PASSWORD, "csrf_token": token[1],
                "next": next_page,
            },
        )  # fmt: skip


class Committing:
    """`with` an application context and its database session; commits unless it raises."""

    def __init__(self, app: Flask) -> None:
        self._context = app.app_context()

    def __enter__(self) -> Session:
        self._context.push()
        return web.db_session()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                web.db_session().commit()
        finally:
            self._context.pop()


def login_of(session: Session, account: Account) -> Login:
    """A login of this account made a moment ago."""
    at = now()
    row = LoginSession(
        id=new_id(), token_hash=digest(new_id()), account_id=account.id, created_at=at, last_seen_at=at,
        authenticated_at=at, amr=Method.PASSWORD.value, expires_at=at + timedelta(hours=12),
        credentials_version=account.credentials_version,
    )  # fmt: skip
    session.add(row)
    return Login(session.get_one(Account, account.id), row)


def browser_id(settings: Settings, browser: FlaskClient) -> str:
    """What `web.browser_id()` says of this browser."""
    cookie = browser.get_cookie(settings.cookie_name)
    assert cookie is not None
    return digest(cookie.value.partition(".")[0])


def pending_id(location: str) -> str:
    """The id of the kept request in the address of the page that comes next."""
    parts = urlsplit(location)
    query = parse_qs(parts.query)
    path = query["next"][0] if "next" in query else location
    if "request" in query:
        return query["request"][0]
    return urlsplit(path).path.rpartition("/")[2]


def answer_of(url: str) -> dict[str, str]:
    """The parameters of an answer to the app, each of which comes once."""
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in query.values()), url
    return {name: values[0] for name, values in query.items()}


def query_of(parameters: dict[str, str]) -> str:
    """A query string."""
    return urlencode(parameters)
