"""Settings: the account's name, e-mail and language, Change Password, and where one is signed in."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service import audit
from service.accounts import sessions
from service.accounts.sessions import require_login
from service.member import language
from service.member.acting import get_person
from service.member.schemas import ChooseLanguage
from service.web import db_session, load_form

blueprint = Blueprint("settings_page", __name__)


@blueprint.get("/settings")
@require_login
def index() -> ResponseReturnValue:
    """All settings on one page."""
    return _page({})


@blueprint.get("/settings/change-password")
@require_login
def change_password() -> ResponseReturnValue:
    """How a password is changed, with the way to the reset page."""
    return render_template("member/change_password.html")


@blueprint.post("/settings/language")
@require_login
def choose_language() -> ResponseReturnValue:
    """Keep the language for pages and mails."""
    form, errors = load_form(ChooseLanguage())
    if errors:
        return _page(errors), 400
    account = get_person().account
    account.language = form["language"]
    audit.record(db_session(), "member:language:choose", account_id=account.id, detail={"language": account.language})
    response = redirect(url_for("settings_page.index", saved="language"), 303)
    language.keep(response, account.language)  # type: ignore[arg-type]  # werkzeug's and Flask's Response
    return response


@blueprint.post("/settings/sessions/<uuid:session_id>/end")
@require_login
def end_session(session_id: UUID) -> ResponseReturnValue:
    """Sign out one other browser."""
    sessions.end_one(db_session(), get_person().account, str(session_id))
    return redirect(url_for("settings_page.index", saved="session"), 303)


@blueprint.post("/settings/sessions/end-others")
@require_login
def end_other_sessions() -> ResponseReturnValue:
    """Sign out every browser but this one."""
    person = get_person()
    sessions.end_all(db_session(), person.account, except_id=person.login.session.id)
    return redirect(url_for("settings_page.index", saved="session"), 303)


def _page(errors: dict[str, list[str]]) -> str:
    person = get_person()
    return render_template(
        "member/settings.html",
        person=person,
        languages_offered=list(language.LANGUAGES.items()),
        open_sessions=sessions.list_open(db_session(), person.account),
        saved=request.args.get("saved", ""),
        errors=errors,
    )
