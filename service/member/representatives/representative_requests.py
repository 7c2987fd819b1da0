"""Requests that somebody act for a member: the form with its evidence, what became of it, answers, taking it back."""

from datetime import date
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from consent import evidence, link_words, representative_requests, representatives
from consent.birthdays import majority
from consent.models import Basis
from consent.representative_requests import NotAskedBack, Person, Right, TooManyRequests, UnknownRequest, Whom
from consent.request_models import RefusalReason, RepresentativeRequest, RepresentativeRequestEvent, RequestStep
from service.accounts import kept_form
from service.accounts.models import Account
from service.accounts.page_files import accept_files, as_download, forbid_scripts, received_files
from service.accounts.sessions import require_login
from service.accounts.stepping_up import require_recent_password
from service.clock import now
from service.member.acting import get_person
from service.member.language import current_language
from service.member.marking import N_
from service.member.representatives import representative_form, representative_words
from service.member.representatives.representative_schemas import Answer, AskedForAnother, AskedForOneself
from service.plan.mailbox import attachments
from service.plan.mailbox.attachments import CheckedFile, TooManyFiles
from service.plan.mailbox.office_files import UnusableFile
from service.plan.models import Member
from service.web import NotFoundPage, PageError, db_session, load_form, plan, settings

blueprint = Blueprint("representative_requests", __name__)
accept_files(
    blueprint, ("send", "answer"), most_bytes=attachments.MOST_FILES * attachments.MOST_BYTES + 512 * 1024,
    meant_for=lambda _session, _account: True,
)  # fmt: skip
forbid_scripts(blueprint)
_OWN_NUMBER = N_("This is your own member ID. Enter the ID of the person for whom you want to act.")
_GROWN_UP = N_("This person is 18 or older. Being a parent is not enough then; choose another reason.")
_NOT_OF_AGE = N_("You are not 18 yet. A parent or guardian must ask to act for you.")
_PROOF = N_("Please attach the paper that proves it: a scan or a photo.")
_PAST = N_("This day is over.")
_ON_THE_PAGE = (
    "given_name", "family_name", "birth_date", "number", "address_line", "city", "state", "zip_code", "member_number",
    "member_family_name", "member_birth_date", "basis", "scope", "valid_from", "valid_until", "files", "explanation",
    "declared",
)  # fmt: skip
_OVER = N_("Your request was decided in the meantime, so your answer was not needed any more.")


class FilesTooLarge(PageError):
    """The whole form is larger than five files."""

    status = 413
    title = _("Your files were too large")
    sentence = _(
        "Nothing was sent. You can attach up to 5 files of up to 10 MB each. Go back and choose smaller files."
    )


class TooManyOpen(PageError):
    """More requests than anybody needs."""

    status = 429
    title = _("You have several requests open")
    sentence = _("Please wait until we have answered them, or take one back. If it is urgent, call us.")


@blueprint.get("/representative-request-form.pdf")
def blank_form() -> ResponseReturnValue:
    """The form on paper, for everybody."""
    return _pdf(representative_form.blank(plan(), current_language().code))


@blueprint.get("/people/requests/new")
@require_recent_password()
def new() -> ResponseReturnValue:
    """The form: for oneself (`for=me`), or to act for somebody else; as it was left when the session ran out."""
    kept = kept_form.find_kept()
    return kept_form.forget(_form_page(kept or {}, {}, was_kept=kept is not None))


@blueprint.post("/people/requests/new")
@kept_form.keeping(
    lambda: f"{url_for('representative_requests.new')}?for={'me' if _asks_for_oneself() else 'another'}",
)
@require_recent_password(30)
def send() -> ResponseReturnValue:
    """Send the request."""
    for_oneself = _is_for_oneself()
    form, errors = load_form(AskedForOneself() if for_oneself else AskedForAnother())
    files = _files(errors)
    if not errors:
        errors = _problems(form, files, for_oneself=for_oneself)
    if errors:
        return _form_page(request.form, errors), 400
    try:
        made = _ask(form, files, for_oneself=for_oneself)
    except TooManyRequests:
        raise TooManyOpen from None
    return redirect(url_for("representative_requests.show", request_id=made.id, sent="yes"), 303)


@blueprint.get("/people/requests/<uuid:request_id>")
@require_login
def show(request_id: UUID) -> ResponseReturnValue:
    """Where the request stands; with the answer to the plan's question as it was left when the session ran out."""
    kept = kept_form.find_kept()
    return kept_form.forget(_request_page(_get(request_id), {}, kept))


@blueprint.post("/people/requests/<uuid:request_id>/answer")
@kept_form.keeping(lambda request_id: url_for("representative_requests.show", request_id=request_id))
@require_login
def answer(request_id: UUID) -> ResponseReturnValue:
    """Answer the plan's question."""
    found = _get(request_id, to_change=True)
    form, errors = load_form(Answer())
    files = _files(errors)
    if errors:
        return _request_page(found, errors), 400
    try:
        representative_requests.answer(db_session(), found, get_person().account, form["words"], files)
    except NotAskedBack:
        return _request_page(found, {"_schema": [_OVER]}), 409
    except TooManyFiles as problem:
        return _request_page(found, {"files": [representative_words.told_of(problem)]}), 400
    return redirect(url_for("representative_requests.show", request_id=found.id, sent="answer"), 303)


@blueprint.post("/people/requests/<uuid:request_id>/withdraw")
@require_login
def withdraw(request_id: UUID) -> ResponseReturnValue:
    """Take the request back."""
    found = _get(request_id, to_change=True)
    representative_requests.withdraw(db_session(), found, get_person().account)
    return redirect(url_for("representative_requests.show", request_id=found.id), 303)


@blueprint.get("/people/requests/<uuid:request_id>/files/<uuid:evidence_id>")
@require_login
def file(request_id: UUID, evidence_id: UUID) -> ResponseReturnValue:
    """A file of the request, as a download."""
    found, to = _get(request_id), get_person().account.id
    try:
        handed = evidence.hand_out(db_session(), found, str(evidence_id), to_account_id=to)
    except evidence.UnknownEvidence:
        raise NotFoundPage from None
    return as_download(handed.name, handed.media_type, handed.content)


@blueprint.get("/people/requests/<uuid:request_id>/form.pdf")
@require_login
def filled_form(request_id: UUID) -> ResponseReturnValue:
    """The form with what was typed, to sign on paper."""
    return _pdf(representative_form.filled(_get(request_id), plan(), current_language().code))


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_large(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(FilesTooLarge())


def _asks_for_oneself() -> bool:
    return request.values.get("for") == "me"


def _is_for_oneself() -> bool:
    return _asks_for_oneself() and get_person().account.member_id is not None


def _own_record() -> Member:
    return db_session().get_one(Member, get_person().account.member_id)


def _known_birth_date(account: Account) -> date | None:
    if account.member_id is not None:
        return _own_record().birth_date
    known = representatives.representative_of(db_session(), account)
    return known.birth_date if known else None


def _problems(form: dict[str, Any], files: list[CheckedFile], *, for_oneself: bool) -> dict[str, list[str]]:
    """What the shape alone does not tell. Nothing here depends on whether the roster knows somebody else."""
    zone, basis = settings().plan.timezone, form["basis"]
    if form["valid_until"] and form["valid_until"] < now().astimezone(zone).date():
        return {"valid_until": [_PAST]}
    if basis is not Basis.PERMISSION and not files:
        return {"files": [_PROOF]}
    if for_oneself:
        minor = majority(_own_record().birth_date, zone) > now()
        return {"basis": [_NOT_OF_AGE]} if minor else {}
    if form["birth_date"] is None and _known_birth_date(get_person().account) is None:
        return {"birth_date": [N_("Please fill this in.")]}
    if basis is Basis.PARENT and majority(form["member_birth_date"], zone) <= now():
        return {"basis": [_GROWN_UP]}
    own = _own_record().member_number if get_person().account.member_id else ""
    return {"member_number": [_OWN_NUMBER]} if form["member_number"].upper() == own else {}


def _ask(form: dict[str, Any], files: list[CheckedFile], *, for_oneself: bool) -> RepresentativeRequest:
    session, account = db_session(), get_person().account
    names = ("basis", "scope", "valid_from", "valid_until", "explanation")
    right = Right(**{name: form[name] for name in names})
    if for_oneself:
        fields = ("given_name", "family_name", "birth_date", "number", "address_line", "city", "state", "zip_code")
        person = Person(**{name: form[name] for name in fields})
        return representative_requests.ask_for_oneself(session, account, _own_record(), person, right, files)
    born = _known_birth_date(account) or form["birth_date"]
    whom = Whom(form["member_number"], form["member_family_name"], form["member_birth_date"])
    person = Person(account.given_name, account.family_name, born)
    return representative_requests.ask_for_another(session, account, person, whom, right, files)


def _files(errors: dict[str, list[str]]) -> list[CheckedFile]:
    try:
        return evidence.check_all(received_files("files", most_bytes=evidence.MOST_BYTES))
    except UnusableFile as problem:
        errors.setdefault("files", []).append(representative_words.told_of(problem))
        return []


def _get(request_id: UUID, *, to_change: bool = False) -> RepresentativeRequest:
    try:
        return representative_requests.get_of_account(
            db_session(), get_person().account, str(request_id), to_change=to_change
        )
    except UnknownRequest:
        raise NotFoundPage from None


def _form_page(typed: Any, errors: dict[str, list[str]], *, was_kept: bool = False) -> str:
    account, for_oneself = get_person().account, _is_for_oneself()
    bases = representative_words.BASES_FOR_ONESELF if for_oneself else representative_words.BASES_FOR_ANOTHER
    return render_template(
        "member/representative_request_new.html", for_oneself=for_oneself, account=account, typed=typed,
        was_kept=was_kept,
        errors={name: errors[name] for name in sorted(errors, key=_place_of)},
        bases=[(basis.value, words) for basis, words in bases.items()],
        scopes=[(scope.value, words) for scope, words in link_words.SCOPES.items()],
        asks_birth_date=not for_oneself and _known_birth_date(account) is None,
    )  # fmt: skip


def _place_of(field: str) -> int:
    return _ON_THE_PAGE.index(field) if field in _ON_THE_PAGE else -1


def _request_page(
    found: RepresentativeRequest, errors: dict[str, list[str]], kept: "MultiDict[str, str] | None" = None
) -> str:  # fmt: skip
    session = db_session()
    events = representative_requests.events_of(session, found)
    return render_template(
        "member/representative_request.html", asked=found, errors=errors, typed=kept or request.form,
        was_kept=kept is not None,
        words=representative_words, scopes=link_words.SCOPES,
        events=[(event, _shown(found, event)) for event in events if event.step in representative_words.STEPS],
        files=evidence.list_of(session, found), sent=request.args.get("sent", ""),
    )  # fmt: skip


def _shown(found: RepresentativeRequest, event: RepresentativeRequestEvent) -> str:
    """What whoever asked reads of a step: of a refusal for a member's protection, nothing (45 CFR 164.502(g)(5))."""
    hidden = event.step is RequestStep.REFUSED and found.refusal is RefusalReason.PROTECTION
    return "" if hidden else event.words


def _pdf(made: bytes) -> Response:
    name = gettext("Request for Access to Protected Health Information")
    return Response(made, mimetype="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}.pdf"'})
