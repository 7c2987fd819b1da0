"""Plan texts: what the plan says to everybody, by language and version, and the forms that ask for a change of it.

Each change waits for a second person (`service.staff.second_looks`) and is shown everywhere from that yes on.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.legal_texts import VERSIONS, LegalText, review_of
from service import mail
from service.accounts import kept_form
from service.clock import now
from service.plan.models import StaffRole
from service.plan.registering.terms import blocks_of
from service.plan.staff import plan_changes, plan_staff
from service.plan.staff.plan_changes import Asker
from service.plan.staff.second_looks import SecondLookRefused
from service.plan_editions import Subject
from service.plan_file import LineOfBusiness, PhoneLine, TermsText, TextReview
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.staff.schemas import Reason
from service.staff.texts.text_schemas import LANGUAGES, MOST_LINES, Business, Line, NewTerms, PhoneLines, Policy, Review
from service.web import NotFoundPage, db_session, load_form, plan, settings

blueprint = Blueprint("staff_plan_texts", __name__, url_prefix="/staff/plan-texts")
ROLES = (StaffRole.ADMINISTRATOR, StaffRole.PRIVACY_OFFICER)
NAMES = {
    LegalText.CONSENT: _("Consent"),
    LegalText.RECEIPT: _("Receipt of a consent"),
    LegalText.EDUCATION: _("Your data and apps: what to know"),
    LegalText.REPRESENTATION: _("Request to act for a member"),
}
_TRANSLATED = mail.LANGUAGES[1:]
_OF_LINE = {
    "line_of_business": _("Line of business"), "number": _("Number"), "days": _("Days"), "opens": _("Opens"),
    "closes": _("Closes"), "language": _("Language spoken"),
}  # fmt: skip
Errors = dict[str, list[str]]


@blueprint.get("/")
@require_role(*ROLES)
def index() -> ResponseReturnValue:
    """Every text with its version and review, the phone lines and the lines of business."""
    session = db_session()
    texts = [(text, VERSIONS[text], {one: review_of(plan(), text, one) for one in _TRANSLATED}) for text in LegalText]
    published = {one.document: plan_changes.history(session, Subject.TERMS, one.document) for one in plan().terms}
    names = [f"{text}/{language}" for text in LegalText for language in _TRANSLATED]
    marks = {name: plan_changes.history(session, Subject.REVIEW, name) for name in names}
    return render_template(
        "staff/plan_texts.html", texts=texts, names=NAMES, published=published, marks=marks, name_of=_name_of,
        policy=plan_changes.history(session, Subject.PRIVACY_POLICY),
        phones=plan_changes.history(session, Subject.PHONE_LINES),
    )  # fmt: skip


@blueprint.route("/reviews/<text>/<language>", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(*ROLES)
def review(text: str, language: str) -> ResponseReturnValue:
    """Mark a translation as reviewed by a qualified translator, or as not."""
    if text not in set(LegalText) or language not in _TRANSLATED:
        raise NotFoundPage
    legal = LegalText(text)
    version, found = VERSIONS[legal], review_of(plan(), legal, language)
    typed: dict[str, Any] = {"reviewed": "yes", "reviewed_on": now().astimezone(plan().timezone).date().isoformat()}
    form, errors = load_form(Review()) if request.method == "POST" else ({}, {})
    if request.method == "GET" or errors:
        page = render_template(
            "staff/plan_review.html", name=NAMES[legal], text=legal, translation=language, version=version,
            review=found, errors=errors, typed=request.form or typed,
            editions=plan_changes.history(db_session(), Subject.REVIEW, f"{text}/{language}"), name_of=_name_of,
        )  # fmt: skip
        return page, 400 if errors else 200
    day = form["reviewed_on"] or now().date()
    return _asked(lambda by: plan_changes.ask_review(
        db_session(), text=text, version=version, language=language, before=_as_it_is(found),
        reviewed_by=form["reviewed_by"] if form["reviewed"] else "", reviewed_on=day, by=by,
    ), form["reason"])  # fmt: skip


@blueprint.route("/terms/<document>", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(*ROLES)
def terms(document: str) -> ResponseReturnValue:
    """A text that people of the portal accept, its earlier versions, and the form for a new one."""
    shown = next((one for one in plan().terms if one.document == document), None)
    if shown is None:
        raise NotFoundPage
    form, errors = load_form(NewTerms()) if request.method == "POST" else ({}, {})
    if request.method == "POST" and not errors:
        then = TermsText(document, form["title"].strip(), form["version"], form["text"].strip())
        return _asked(lambda by: plan_changes.ask_terms(db_session(), settings().plan, shown, then, by), form["reason"])
    earlier = plan_changes.history(db_session(), Subject.TERMS, document)
    versions = [TermsText(document, **{name: one.content[name] for name in ("title", "version", "text")})
                for one in earlier]  # fmt: skip
    versions += [one for one in settings().plan.terms if one.document == document]
    chosen = next((one for one in versions if one.version == request.args.get("version")), shown)
    page = render_template(
        "staff/plan_terms.html", shown=shown, chosen=chosen, versions=versions, editions=earlier, name_of=_name_of,
        blocks=blocks_of(chosen.text), errors=errors, typed=request.form or {"title": shown.title, "text": shown.text},
    )  # fmt: skip
    return page, 400 if errors else 200


@blueprint.route("/privacy-policy", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(*ROLES)
def privacy_policy() -> ResponseReturnValue:
    """Which version of the privacy policy holds and where it stands; developers attest to the newest anew."""
    form, errors = load_form(Policy()) if request.method == "POST" else ({}, {})
    if request.method == "POST" and not errors:
        return _asked(lambda by: plan_changes.ask_privacy_policy(
            db_session(), settings().plan, plan(), version=form["version"], url=form["url"], by=by
        ), form["reason"])  # fmt: skip
    typed = request.form or {"version": plan().privacy_policy_version, "url": plan().privacy_policy_url}
    return render_template("staff/plan_policy.html", errors=errors, typed=typed), 400 if errors else 200


@blueprint.route("/phone-lines", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(*ROLES)
def phone_lines() -> ResponseReturnValue:
    """The numbers that members call, with hours and language."""
    rows = [_typed_line(line) for line in plan().phone_lines]
    if request.method == "GET":
        return _lines_page(rows, {"tty": plan().tty}, {})
    rows = _rows("number", tuple(Line().fields))
    form, errors = load_form(PhoneLines())
    lines = []
    for at, row in enumerate(rows):
        line, wrong = load_form(Line(), row)
        errors |= {f"{name}-{at}": said for name, said in wrong.items()}
        lines.append(line)
    if not rows:
        errors["number-0"] = [_("Members need a number to call.")]
    if errors:
        return _lines_page(rows, request.form, errors), 400
    found = [PhoneLine(**line) for line in lines]
    return _asked(lambda by: plan_changes.ask_phone_lines(db_session(), plan(), found, form["tty"], by), form["reason"])


@blueprint.route("/lines-of-business", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(*ROLES)
def lines_of_business() -> ResponseReturnValue:
    """The kinds of coverage, and whose members may register here."""
    rows = [{"name": line.name, "in_scope": "yes" if line.in_scope else ""} for line in plan().lines_of_business]
    if request.method == "GET":
        return _business_page(rows, {}, {})
    rows = _rows("name", tuple(Business().fields))
    form, errors = load_form(Reason())
    for at, row in enumerate(rows):
        errors |= {f"{name}-{at}": said for name, said in load_form(Business(), row)[1].items()}
    names = [row["name"] for row in rows]
    if len(set(names)) < len(names) or not names:
        errors["name-0"] = [_("Please name each line of business once.")]
    if errors:
        return _business_page(rows, request.form, errors), 400
    found = [LineOfBusiness(row["name"], row["in_scope"] == "yes") for row in rows]
    return _asked(lambda by: plan_changes.ask_lines_of_business(db_session(), plan(), found, by), form["reason"])


def _asked(ask: Callable[[Asker], object], reason: str) -> ResponseReturnValue:
    try:
        ask(Asker(current_staff(), reason))
    except SecondLookRefused as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_second_looks.index", done="asked"), 303)


def _rows(key: str, names: tuple[str, ...]) -> list[dict[str, str]]:
    """The numbered rows of the form that were not left empty or emptied, in their order."""
    every = [{name: request.form.get(f"{name}-{at}", "").strip() for name in names} for at in range(MOST_LINES)]
    return [row for row in every if row[key]]


def _typed_line(line: PhoneLine) -> dict[str, str]:
    return {
        "line_of_business": line.line_of_business, "number": line.number, "days": line.days.value if line.days else "",
        "opens": f"{line.opens:%H:%M}" if line.opens else "", "closes": f"{line.closes:%H:%M}" if line.closes else "",
        "language": line.language,
    }  # fmt: skip


def _lines_page(rows: list[dict[str, str]], typed: Any, errors: Errors) -> str:
    return render_template(
        "staff/plan_phone_lines.html", rows=_with_new(rows), typed=typed, errors=errors, spoken=LANGUAGES,
        labels=_labels(rows, _OF_LINE), lines=[line.name for line in plan().lines_of_business],
    )  # fmt: skip


def _business_page(rows: list[dict[str, str]], typed: Any, errors: Errors) -> str:
    return render_template(
        "staff/plan_lines.html", rows=_with_new(rows), typed=typed, errors=errors,
        labels=_labels(rows, {"name": _("Name")}),
    )  # fmt: skip


def _with_new(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [*rows, {}]


def _labels(rows: list[dict[str, str]], names: dict[str, LazyString]) -> dict[str, str]:
    """What the summary of errors calls the numbered fields, each leading to its own."""
    return {f"{name}-{at}": f"{at + 1}. {label}" for at in range(len(rows) + 1) for name, label in names.items()}


def _as_it_is(found: TextReview | None) -> str:
    return f"reviewed by {found.reviewed_by} on {found.reviewed_on.isoformat()}" if found else "not reviewed"


def _name_of(account_id: str) -> str:
    return plan_staff.name_of(db_session(), account_id)
