"""App Gallery: the apps that the plan has approved, found, read about, opened for the member selected, or reported."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from oauth.apps import admission, app_reports, app_words, redirects
from oauth.apps.clients import ClientView, NoSuchClient
from oauth.authorization import launching
from service.accounts import kept_form
from service.accounts.sessions import require_login
from service.member.acting import find_person, get_actor, get_person, require_choice
from service.member.apps import gallery_apps
from service.member.schemas import AppReported, GallerySearch
from service.web import NotFoundPage, PageError, allow_form_redirect, db_session, load_form, plan

blueprint = Blueprint("gallery", __name__)


class CannotLaunch(PageError):
    """The app was opened from an old page: it may not be opened from here any more."""

    status = 409
    title = _("This app cannot be opened from here")
    sentence = _("Please open the app itself and choose the plan in its list of health plans.")


class ReportedEnough(PageError):
    """The person has told us already."""

    status = 429
    title = _("You have told us already")
    sentence = _("We are looking at what you reported. You can report each app once a day, and up to five apps a day.")


@blueprint.get("/gallery")
def index() -> ResponseReturnValue:
    """The apps that match what is sought, a page of them."""
    form, _errors = load_form(GallerySearch(), request.args)
    wanted = gallery_apps.Wanted(form.get("q", ""), form.get("platform"), form.get("category"), form.get("page", 1))
    return render_template(
        "member/gallery.html", found=gallery_apps.search(db_session(), wanted), wanted=wanted,
        platforms=[(each.value, said) for each, said in app_words.PLATFORMS.items()],
        categories=[(each.value, said) for each, said in app_words.CATEGORIES.items()],
        entry_of=gallery_apps.entry_of, connected=gallery_apps.connected(db_session(), find_person()),
    )  # fmt: skip


@blueprint.get("/gallery/<client_id>")
def show(client_id: str) -> ResponseReturnValue:
    """One app: what it is, who makes it, what it may ask for, and how to begin."""
    app = _get(client_id)
    if app.launch_uris:
        allow_form_redirect(redirects.form_action(app.launch_uris[0]))
    return render_template(
        "member/gallery_app.html", entry=gallery_apps.entry_of(app), person=find_person(),
        connected=gallery_apps.connected(db_session(), find_person()), done=request.args.get("done", ""),
    )  # fmt: skip


@blueprint.post("/gallery/<client_id>/launch")
@require_login
def launch(client_id: str) -> ResponseReturnValue:
    """Open the app for the member selected; what it may see is asked on the consent page as ever."""
    app, actor = _get(client_id), get_actor()
    try:
        address = launching.begin(db_session(), app.id, actor.account, actor.choice, get_person().login)
    except launching.NotLaunchable:
        raise CannotLaunch from None
    return redirect(address, 303)


@blueprint.route("/gallery/<client_id>/report", methods=["GET", "POST"])
@kept_form.keeping(lambda client_id: url_for("gallery.report", client_id=client_id))
@require_login
def report(client_id: str) -> ResponseReturnValue:
    """Tell the plan that something is wrong with an app; its developer is not told who did."""
    app = _get(client_id)
    if request.method == "GET":
        kept = kept_form.find_kept()
        return kept_form.forget(_report_page(app, {}, kept or {}, was_kept=kept is not None))
    form, errors = load_form(AppReported())
    if errors:
        return _report_page(app, errors, request.form), 400
    try:
        app_reports.report(db_session(), app.id, account_id=get_person().account.id, **form)
    except app_reports.TooManyReports:
        raise ReportedEnough from None
    return redirect(url_for("gallery.show", client_id=app.id, done="reported"), 303)


@blueprint.get("/gallery/<client_id>/sign-in")
@require_login
@require_choice
def come_back(client_id: str) -> ResponseReturnValue:
    """Where a stranger goes who wants to open an app: signs in, chooses the member, and is at the app's page again."""
    return redirect(url_for("gallery.show", client_id=_get(client_id).id), 303)


def _get(client_id: str) -> ClientView:
    try:
        return admission.get_listed(db_session(), client_id)
    except NoSuchClient:
        raise NotFoundPage from None


def _report_page(
    app: ClientView, errors: dict[str, list[str]], typed: Mapping[str, str], *, was_kept: bool = False
) -> str:  # fmt: skip
    return render_template(
        "member/gallery_report.html", app=app, errors=errors, typed=typed, was_kept=was_kept, plan=plan(),
        reasons=[(each.value, app_words.REPORT_REASONS[each]) for each in app_words.PEOPLES_REASONS],
    )  # fmt: skip
