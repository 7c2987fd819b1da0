"""In which language a page is shown: chosen in the header, else asked for by the app, the account's, the browser's."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from babel import negotiate_locale
from flask import Response, has_request_context, request, url_for
from flask_babel import Babel, get_locale
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.accounts.next_page import came_from
from service.accounts.sessions import current_login
from service.member import audience, reviewed_texts
from service.member.consent.waiting import find_waiting, given
from service.member.landing import Place
from service.web import LatchstringFlask, settings

LANGUAGES = {"en": "English", "es": "Español"}
_COOKIE = "lang"
_KEPT = timedelta(days=365)
_ENGLISH_ONLY = ("/provider/", "/staff/", "/developers/")
"""The portal, the staff console and the developers' pages (decision 15)."""


@dataclass(frozen=True)
class Language:
    """A language of our pages; `url` leads to the same page in it."""

    code: str
    name: str
    url: str
    direction: str = "ltr"


def install(app: LatchstringFlask) -> None:
    """Set up the catalogues and the choice between them."""
    app.after_pages(_keep_choice)
    Babel(
        app,
        default_locale="en",
        default_timezone=str(app.extensions["latchstring"].settings.plan.timezone),
        default_translation_directories=str(Path(__file__).parent.parent / "translations"),
        locale_selector=select_locale,
    )


def select_locale() -> str:
    """The code of the language for this request (Babel's locale selector); English outside of requests.

    English too where rights depend on the page's words, and nobody has reviewed its translation.
    """
    if not has_request_context() or _is_english_only():
        return "en"
    wanted = _wanted()
    return wanted if reviewed_texts.may_be_shown(wanted) else "en"


def withheld() -> str | None:
    """The language that was wanted for this page and is not shown, since its translation was not reviewed."""
    if _is_english_only():
        return None
    wanted = _wanted()
    return None if reviewed_texts.may_be_shown(wanted) else wanted


def _wanted() -> str:
    return (
        _offered(request.args.get("lang"))
        or _offered(request.cookies.get(_COOKIE))
        or _asked_by_app()
        or _of_account()
        or _negotiated([tag.replace("-", "_") for tag in request.accept_languages.values()])
        or "en"
    )


def current_language() -> Language:
    """The language this page is shown in."""
    locale = get_locale()
    code = locale.language if locale else "en"
    return Language(code, LANGUAGES.get(code, code), _same_page(code))


def languages() -> list[Language]:
    """Every language the header offers; none to choose from where there is English only."""
    if _is_english_only():
        return []
    return [Language(code, name, _same_page(code)) for code, name in LANGUAGES.items()]


def keep(response: Response, code: str) -> None:
    """Remember the choice in this browser for a year."""
    response.set_cookie(_COOKIE, code, max_age=_KEPT, path="/", secure=settings().https, httponly=True, samesite="Lax")


def _keep_choice(response: Response) -> Response:
    # Most pages have none: spared the reading of parameters.
    chosen = _offered(request.args.get("lang")) if b"lang=" in request.query_string else None
    if chosen and chosen != request.cookies.get(_COOKIE) and response.mimetype == "text/html":
        keep(response, chosen)
    return response


def _offered(code: str | None) -> str | None:
    return code if code in LANGUAGES else None


def _is_english_only() -> bool:
    # By path, so that an address without a page answers in the language of its neighbours.
    return f"{request.path}/".startswith(_ENGLISH_ONLY) or (audience.is_shared() and not _is_members())


def _is_members() -> bool:
    try:
        return audience.place() is Place.MEMBER
    except (OperationalError, PoolTimeout):
        # The page that tells of the fault must not fail on the same fault.
        return True


def _asked_by_app() -> str | None:
    """`ui_locales` of the request that waits for this page's answer (OpenID Connect Core §3.1.2.1)."""
    waiting = find_waiting()
    return _negotiated((waiting.ui_locales or "").replace("-", "_").split()) if waiting else None


def _of_account() -> str | None:
    try:
        login = current_login()
    except (OperationalError, PoolTimeout):
        # The page that tells of the fault is chosen a language too, and must not fail on the same fault.
        return None
    return _offered(login.account.language) if login else None


def _negotiated(tags: list[str]) -> str | None:
    return negotiate_locale(tags, list(LANGUAGES), sep="_") if tags else None


def readable_path() -> str:
    """Where the page at hand can be asked for again: what a form posted is asked for anew, or the page that held it."""
    return _with_query(*_readable())


def _same_page(code: str) -> str:
    path, kept = _readable()
    return _with_query(path, [*((name, value) for name, value in kept if name != "lang"), ("lang", code)])


def _readable() -> tuple[str, list[tuple[str, str]]]:
    kept = list(request.args.items(multi=True))
    if request.method == "POST" and request.blueprint == "consent":
        return url_for("consent.show"), [*kept, ("request", given("request") or "")]
    methods = request.url_rule.methods if request.url_rule else None
    if methods is None or "GET" in methods:
        return request.path, kept
    held = came_from()
    if f"{held.scheme}://{held.netloc}" != settings().base_url:
        return url_for("home.index"), []
    return f"/{unquote(held.path).lstrip('/')}", parse_qsl(held.query)


def _with_query(path: str, kept: list[tuple[str, str]]) -> str:
    # Encoded: what browsers leave out or read as another character could make an address of another site of it.
    path = quote(path)
    return f"{path}?{urlencode(kept)}" if kept else path
