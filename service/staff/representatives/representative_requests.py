"""Representative requests: the queue, the check-list, questions back, refusing, and asking a second person to link."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import RequestEntityTooLarge

from consent import evidence, link_words, representative_requests, representative_reviews
from consent.models import Basis
from consent.representative_requests import Person, Right, UnknownRequest, Whom
from consent.representative_reviews import CHECKS, Proposal
from consent.request_models import RepresentativeRequest, RequestState
from service import audit
from service.accounts import kept_form
from service.accounts.page_files import accept_files, as_download, forbid_scripts, received_files
from service.plan.mailbox import attachments
from service.plan.mailbox.attachments import CheckedFile
from service.plan.mailbox.office_files import UnusableFile
from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused
from service.staff import names_listed
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.staff.representatives import representative_words
from service.staff.representatives.representative_schemas import AskedOnPaper, MemberNumber, Proposed, Refusal
from service.staff.schemas import Question
from service.web import NotFoundPage, PageError, db_session, load_form, settings

blueprint = Blueprint("staff_representatives", __name__, url_prefix="/staff/representatives")
accept_files(
    blueprint, ("enter",), most_bytes=attachments.MOST_FILES * attachments.MOST_BYTES + 512 * 1024,
    meant_for=lambda session, account: plan_staff.find(session, account) is not None,
)  # fmt: skip
forbid_scripts(blueprint)
_ROLE = StaffRole.MEMBER_SERVICES


class ScanTooLarge(PageError):
    """The whole form is larger than five files."""

    status = 413
    title = _("Your files were too large")
    sentence = _("Nothing was kept. A form takes 5 files of up to 10 MB each. Go back and send fewer or smaller files.")


@blueprint.get("/")
@require_role(_ROLE)
def index() -> ResponseReturnValue:
    """What waits for the plan, for an answer, and what was decided lately."""
    session = db_session()
    waiting = representative_reviews.list_in(session, RequestState.WAITING)
    asked = representative_reviews.list_in(session, RequestState.ASKED_BACK)
    decided = representative_reviews.list_decided(session)
    names_listed.record("representative_request", (one.member_id for one in (*waiting, *asked, *decided)))
    return render_template(
        "staff/representatives.html", waiting=waiting, asked=asked, decided=decided, bases=link_words.BASES,
        find_act=lambda one: representative_reviews.find_act(session, one),
    )  # fmt: skip


@blueprint.get("/new")
@require_role(_ROLE)
def new() -> ResponseReturnValue:
    """Enter a form that came on paper."""
    return _paper_page({})


@blueprint.post("/new")
@kept_form.keeping(lambda: url_for("staff_representatives.new"))
@require_role(_ROLE)
def enter() -> ResponseReturnValue:
    """Keep it, with its scan."""
    form, errors = load_form(AskedOnPaper())
    files = _scans(errors)
    if not errors and not files:
        errors = {"files": ["Please attach the scan of the signed form and its papers."]}
    if errors:
        return _paper_page(errors), 400
    given = ("given_name", "family_name", "birth_date", "number", "address_line", "city", "state", "zip_code")
    made = representative_requests.enter_paper(
        db_session(), current_staff().account, Person(**{name: form[name] for name in given}),
        Whom(form["member_number"], form["member_family_name"], form["member_birth_date"]),
        Right(form["basis"], form["scope"], form["valid_from"], form["valid_until"], form["explanation"]), files,
    )  # fmt: skip
    return redirect(url_for("staff_representatives.show", request_id=made.id), 303)


@blueprint.get("/<uuid:request_id>")
@require_role(_ROLE)
def show(request_id: UUID) -> ResponseReturnValue:
    """One request."""
    return _page(_get(request_id), "", {})


@blueprint.get("/<uuid:request_id>/files/<uuid:evidence_id>")
@require_role(_ROLE)
def file(request_id: UUID, evidence_id: UUID) -> ResponseReturnValue:
    """A paper, as a download."""
    found, to = _get(request_id), current_staff().account_id
    if representative_reviews.is_closed_to(db_session(), found, current_staff()):
        raise NothingChanged(NotOneself.sentence)
    try:
        handed = evidence.hand_out(db_session(), found, str(evidence_id), to_account_id=to)
    except evidence.UnknownEvidence:
        raise NotFoundPage from None
    return as_download(handed.name, handed.media_type, handed.content)


@blueprint.post("/<uuid:request_id>/match")
@kept_form.keeping(lambda request_id: url_for("staff_representatives.show", request_id=request_id))
@require_role(_ROLE)
def match(request_id: UUID) -> ResponseReturnValue:
    """Say which member it is about."""
    found = _seen(request_id)
    form, errors = load_form(MemberNumber())
    if errors:
        return _page(found, "match", errors), 400
    return _step(found, "matched", representative_reviews.match, form["member_number"])


@blueprint.post("/<uuid:request_id>/checks")
@kept_form.keeping(lambda request_id: url_for("staff_representatives.show", request_id=request_id))
@require_role(_ROLE)
def check(request_id: UUID) -> ResponseReturnValue:
    """Keep what was found right so far."""
    ticked = [key for key in CHECKS if f"check-{key}" in request.form]
    return _step(_seen(request_id), "checked", representative_reviews.check, ticked)


@blueprint.post("/<uuid:request_id>/ask")
@kept_form.keeping(lambda request_id: url_for("staff_representatives.show", request_id=request_id))
@require_role(_ROLE)
def ask(request_id: UUID) -> ResponseReturnValue:
    """Ask whoever asked for more."""
    found = _seen(request_id)
    form, errors = load_form(Question())
    if errors:
        return _page(found, "ask", errors), 400
    return _step(found, "asked", representative_reviews.ask_back, form["question"])


@blueprint.post("/<uuid:request_id>/refuse")
@kept_form.keeping(lambda request_id: url_for("staff_representatives.show", request_id=request_id))
@require_role(_ROLE)
def refuse(request_id: UUID) -> ResponseReturnValue:
    """Say no."""
    found = _seen(request_id)
    form, errors = load_form(Refusal())
    if errors:
        return _page(found, "refuse", errors), 400
    return _step(found, "refused", representative_reviews.refuse, form["reason"], form["words"])


@blueprint.post("/<uuid:request_id>/propose")
@kept_form.keeping(lambda request_id: url_for("staff_representatives.show", request_id=request_id))
@require_role(_ROLE)
def propose(request_id: UUID) -> ResponseReturnValue:
    """The first yes: a second person is asked, and shown what changes."""
    found = _seen(request_id)
    form, errors = load_form(Proposed())
    if errors:
        return _page(found, "propose", errors), 400
    return _step(found, "proposed", representative_reviews.propose, Proposal(**form), settings().plan.timezone)


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_large(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(ScanTooLarge())


def _step(found: RepresentativeRequest, done: str, verb: Callable[..., Any], *given: object) -> ResponseReturnValue:
    try:
        verb(db_session(), found, *given, by=current_staff())
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_representatives.show", request_id=found.id, done=done), 303)


def _get(request_id: UUID, *, to_change: bool = False) -> RepresentativeRequest:
    try:
        return representative_reviews.get(db_session(), str(request_id), to_change=to_change)
    except UnknownRequest:
        raise NotFoundPage from None


def _seen(request_id: UUID) -> RepresentativeRequest:
    """The request, if it is still what the page showed."""
    found = _get(request_id, to_change=True)
    if request.form.get("seen") != str(found.version):
        raise NothingChanged(representative_reviews.Changed.sentence)
    return found


def _scans(errors: dict[str, list[str]]) -> list[CheckedFile]:
    try:
        return evidence.check_all(received_files("files", most_bytes=evidence.MOST_BYTES))
    except UnusableFile as problem:
        errors.setdefault("files", []).append(f"{problem.name}: {problem.sentence}")
        return []


def _paper_page(errors: dict[str, list[str]]) -> str:
    return render_template(
        "staff/representative_paper.html", typed=request.form, errors=errors,
        bases=[(basis.value, link_words.BASES[basis]) for basis in Basis],
        scopes=[(scope.value, link_words.SCOPES[scope]) for scope in link_words.SCOPES],
    )  # fmt: skip


def _page(found: RepresentativeRequest, about: str, errors: dict[str, list[str]]) -> str:
    session, me = db_session(), current_staff()
    audit.record(
        session, "staff:representative_request:open", account_id=me.account_id, member_id=found.member_id,
        detail={"request": found.id},
    )  # fmt: skip
    # Who asked, or is asked about, learns no more here than on their own page (45 CFR 164.502(g)(5)).
    closed = representative_reviews.is_closed_to(session, found, me)
    return render_template(
        "staff/representative.html", asked=found, about=about, errors=errors, typed=request.form,
        files=[] if closed else evidence.list_of(session, found),
        events=[] if closed else representative_requests.events_of(session, found),
        known=representative_reviews.find_representative(session, found),
        as_member=representative_reviews.find_as_member(session, found),
        act=representative_reviews.find_act(session, found),
        closed_to_me=closed, words=representative_words,
        checks=representative_words.checks(found.basis), bases=link_words.BASES, link_scopes=link_words.SCOPES,
        scopes=[(scope.value, link_words.SCOPES[scope]) for scope in link_words.SCOPES],
        name_of=lambda account_id: plan_staff.name_of(session, account_id), done=request.args.get("done", ""),
    )  # fmt: skip
