"""The endpoints of the authorization server."""

from dataclasses import asdict

import orjson
from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Flask, Response, json, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, HTTPException

from consent import subjects
from consent.representatives import MemberChoice, members_for
from oauth import counting, keys, open_documents
from oauth.apps import admission, logos, redirects
from oauth.authorization import authorization_request, ending, flows, pushing
from oauth.authorization.authorization_request import Refusal
from oauth.errors import (
    JSON,
    NO_STORE,
    Busy,
    ConsentRequired,
    InvalidRequest,
    LoginRequired,
    NotTaken,
    UnusableRequest,
    as_json,
)
from oauth.requests import Duplicated, body_parameters, current_request, query_parameters
from oauth.server import refusal_url, server
from oauth.tokens import introspection
from oauth.tokens.token_problems import TokenProblem
from oauth.tokens.userinfo import claims_for_request
from oauth.trials import tracing
from oauth.trials.checks import held_back
from oauth.trials.models import Seen
from service import web
from service.accounts.sessions import Login, Step, current_login, end_current, half_login
from service.whole_answer import WholeAnswer

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")
# Apps post here from their own origins; each endpoint proves its caller, and authorize only keeps what it is sent.
web.csrf.exempt(blueprint)
blueprint.after_request(counting.count)
_MACHINE_PATHS = (
    "/oauth/par",
    "/oauth/register",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/userinfo",
    "/oauth/jwks",
)
_EXPOSED = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
_OPEN_TO_ANY_ORIGIN = frozenset({"oauth.par", "oauth.token", "oauth.revoke", "oauth.jwks", "oauth.userinfo"})


def install(app: Flask) -> None:
    """Answer HTTP errors of the endpoints for machines in JSON."""
    for path in _MACHINE_PATHS:
        web.render_errors_under(app, path, _http_error)
    for path in open_documents.PATHS:
        web.render_errors_under(app, path, _document_error)
    tracing.install(app)


@blueprint.route("/authorize", methods=["GET", "POST"])
def authorize() -> ResponseReturnValue:
    """Where an app sends a person. A POST is kept and turned into a GET, so that our cookie comes along."""
    session, settings = web.db_session(), web.settings()
    try:
        given, repeated = _authorize_parameters()
        pushed = pushing.is_pushed(given)
        if pushed:
            given = pushing.pull(session, given)
        asked = authorization_request.validate(session, given, repeated=repeated, settings=settings, pushed=pushed)
        request_id = flows.begin(session, asked)
    except Refusal as refusal:
        return _tell_app(session, refusal.client_id, refusal_url(refusal.redirect_uri, refusal.state, refusal.error))
    if request.method == "POST":
        return redirect(url_for("oauth.resume", request_id=request_id), 303)
    return _next_step(session, request_id)


@blueprint.get("/authorize/<request_id>")
def resume(request_id: str) -> ResponseReturnValue:
    """Where a kept request goes on, after signing in for instance."""
    return _next_step(web.db_session(), request_id)


@blueprint.post("/par")
def par() -> Response:
    """RFC 9126: an authorization request sent ahead."""
    try:
        pushed = pushing.push(web.db_session(), current_request(), web.settings())
    except OAuth2Error as error:
        return as_json(error, challenge="Authorization" in request.headers)
    headers = NO_STORE | {"Cache-Control": "no-cache, no-store"}
    return Response(json.dumps(asdict(pushed)), 201, headers=headers, content_type=JSON)


@blueprint.post("/token")
def token() -> Response:
    """Codes and refresh tokens against access tokens (RFC 6749 §3.2)."""
    return server.answer_token()


@blueprint.post("/revoke")
def revoke() -> Response:
    """RFC 7009."""
    return server.answer_revocation()


@blueprint.post("/introspect")
def introspect() -> Response:
    """RFC 7662."""
    try:
        told = introspection.tell(web.reading_session(), current_request(), web.settings())
    except OAuth2Error as error:
        return as_json(error, challenge="Authorization" in request.headers)
    except TokenProblem as problem:
        return _refuse_token(problem)
    return WholeAnswer(orjson.dumps(told), 200, JSON, NO_STORE.items())


@blueprint.route("/end-session", methods=["GET", "POST"])
def end_session() -> ResponseReturnValue:
    """OpenID Connect RP-Initiated Logout. A POST is turned into a GET, so that our cookie comes along."""
    session, settings = web.db_session(), web.settings()
    asked = ending.find(session, _end_parameters(), settings)
    if request.method == "POST":
        posted = ending.sealed(asked, settings) if asked else None
        return redirect(url_for("oauth.end_session", posted=posted), 303)
    login = current_login() or half_login()
    if asked is None or (login is not None and login.account.id != asked.account_id):
        return render_template("accounts/sign_out.html")
    if login is not None:
        end_current(session)
    return redirect(asked.return_to or url_for("home.index"), 303)


@blueprint.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """OpenID Connect Core §5.3; the token in the header only."""
    try:
        claims = claims_for_request(web.reading_session(), web.settings())
    except TokenProblem as problem:
        return _refuse_token(problem)
    return Response(json.dumps(claims), headers=NO_STORE, content_type="application/json")


@blueprint.get("/jwks")
def jwks() -> Response:
    """The public keys of ID tokens."""
    content = {"keys": keys.public_keys(web.db_session(), web.settings().secret_key)}
    response = Response(json.dumps(content), content_type="application/json")
    response.headers["Cache-Control"] = f"public, max-age={int(keys.JWKS_CACHE.total_seconds())}"
    return response


@blueprint.get("/logos/<digest>.png")
def logo(digest: str) -> Response:
    """The logo of an app. Its address is made of its bytes, so it may be kept for ever."""
    png = logos.find(web.db_session(), digest)
    if png is None:
        raise web.NotFoundPage
    response = Response(png, content_type="image/png")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@blueprint.before_request
def _refuse_plain_http() -> None:
    """Refuse what came by plain http, or through a proxy of which we do not know that it came by https (case 35)."""
    if web.settings().https and request.scheme != "https":
        raise BadRequest


@blueprint.after_request
def _open_to_apps(response: Response) -> Response:
    """CORS for browser apps, without credentials; never on authorize (SMART-81, OA-11)."""
    asked = web.request_itself()
    if asked.endpoint in _OPEN_TO_ANY_ORIGIN:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if asked.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "POST")
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, DPoP"
            response.headers["Access-Control-Max-Age"] = "600"
    elif asked.endpoint in {"oauth.authorize", "oauth.resume", "oauth.end_session"}:
        response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _refuse_token(problem: TokenProblem) -> Response:
    body = {"error": problem.code, "error_description": problem.sentence} if problem.code else {}
    challenge = problem.challenge(request.headers.get("Authorization", ""))
    headers = NO_STORE | {"WWW-Authenticate": challenge}
    return Response(json.dumps(body), problem.status, headers=headers, content_type=JSON)


def _authorize_parameters() -> tuple[dict[str, str], bool]:
    try:
        given = query_parameters(request) if request.method != "POST" else body_parameters(request)
        return given, False
    except Duplicated as duplicated:
        return duplicated.single, True
    except InvalidRequest:
        raise UnusableRequest from None


def _end_parameters() -> dict[str, str]:
    """What is known of the parameters; nothing at all of a request that repeats one or cannot be read."""
    try:
        given = query_parameters(request) if request.method != "POST" else body_parameters(request)
    except (Duplicated, InvalidRequest):
        return {}
    names = ending.PARAMETERS if request.method == "POST" else (*ending.PARAMETERS, ending.POSTED)
    return {name: given[name] for name in names if name in given}


def _next_step(session: Session, request_id: str) -> ResponseReturnValue:
    """To the app, to sign in, or to the consent page, whichever comes next."""
    browser = web.browser_id()
    flows.bind(session, request_id, browser)
    pending, login = flows.get_pending(session, request_id, browser), current_login()
    here = url_for("oauth.resume", request_id=request_id)
    if pending.was_launched_elsewhere(login):
        return _refuse_silently(session, pending, InvalidRequest())
    if "none" in pending.prompts:
        return _answer_silently(session, pending, login)
    step = Seen.SIGN_IN if pending.needs_sign_in(login) else Seen.CONSENT
    tracing.note(step, pending.client.id)
    if login is None:
        return redirect(url_for("sign_in.sign_in", next=here), 303)
    if pending.needs_password(login):
        return redirect(url_for("sign_in.confirm_password", next=here), 303)
    if pending.needs_factor(login):
        return redirect(url_for(Step.FACTOR, next=here), 303)
    return redirect(url_for("consent.show", request=request_id), 303)


def _answer_silently(session: Session, pending: flows.PendingView, login: Login | None) -> ResponseReturnValue:
    """The answer to prompt=none: a code where the very same was agreed before, else an error; no page either way."""
    if login is None or pending.needs_sign_in(login):
        return _refuse_silently(session, pending, LoginRequired())
    choices = [choice for choice in members_for(session, login.account) if pending.may_be_about(choice)]
    if pending.hinted_subject is not None:
        # Somebody else is signed in, or this person does not act for that member any more.
        choices = [one for one in choices if _is_hinted(session, pending, login, one)]
        if not choices:
            return _refuse_silently(session, pending, LoginRequired())
    agreed = [flows.standing_grant(session, pending, login.account, choice) for choice in choices]
    standing = [grant for grant in agreed if grant is not None]
    # With several members agreed to, which one is meant is the person's to say.
    if len(standing) != 1:
        return _refuse_silently(session, pending, ConsentRequired())
    return redirect(flows.answer(session, pending, grant=standing[0], login=login), 303)


def _is_hinted(session: Session, pending: flows.PendingView, login: Login, choice: MemberChoice) -> bool:
    return subjects.find(session, login.account.id, choice.member.id) == pending.hinted_subject


def _refuse_silently(session: Session, pending: flows.PendingView, error: OAuth2Error) -> ResponseReturnValue:
    return _tell_app(session, pending.client.id, flows.refuse(session, pending, error))


def _tell_app(session: Session, client_id: str, address: str) -> ResponseReturnValue:
    """To the app with an error that nobody here said yes or no to.

    Where the plan has never looked at the app (in the sandbox alone such an app works), the address may be anybody's:
    nobody is sent there without knowing (OA-12; RFC 9700 §4.11.2).
    """
    if admission.is_reviewed(session, client_id):
        return redirect(address, 303)
    held_back(address)
    place = redirects.host_of(address)
    return render_template("accounts/unverified_return.html", address=address, place=place), 400


def _http_error(error: HTTPException) -> Response:
    """405, 413, 404 and the like as JSON."""
    response = as_json(_as_oauth(error))
    response.status_code = error.code or 500
    for name, value in error.get_headers(request.environ):
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _document_error(error: HTTPException) -> Response:
    """The same where any origin reads: an app in a browser shall see when to come again."""
    return open_documents.open_to_any_origin(_http_error(error))


def _as_oauth(error: HTTPException) -> OAuth2Error:
    status = error.code or 500
    return NotTaken(status) if status < 500 else Busy()
