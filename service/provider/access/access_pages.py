"""Tax ID & NPI access: what a provider's login reaches and who bills for it; a billing firm's clients and requests."""

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent import billing_authorizations, billing_clients
from service.accounts import kept_form, throttling
from service.plan.logins import reach
from service.plan.logins.entry_words import SOURCES
from service.plan.models import OrganizationKind, PortalFunction
from service.plan.registering import payment_entries
from service.plan.registering.payment_entries import EntryStands
from service.plan.registering.payment_proof import ProofRefused, TooManyTries
from service.provider.access import access_words
from service.provider.access.access_schemas import NewEntry
from service.provider.gate import current_staff, require_function, require_staff
from service.web import db_session, load_form, settings

blueprint = Blueprint("provider_access", __name__, url_prefix="/provider/access")


@blueprint.get("")
@require_staff
def index() -> ResponseReturnValue:
    """What this login reaches. Everybody sees it; adding needs the application."""
    staff, session = current_staff(), db_session()
    if staff.organization.kind is OrganizationKind.BILLING:
        return render_template(
            "provider/access_clients.html", staff=staff, clients=billing_clients.clients_of(session, staff),
            words=access_words, may_change=may_change(),
        )  # fmt: skip
    return render_template(
        "provider/access_entries.html", staff=staff, entries=reach.entries_of(session, staff.id),
        groups=reach.groups_of_entries(session, staff.id), done=request.args.get("done", ""),
        permissions=billing_authorizations.for_provider(session, staff), words=access_words, may_change=may_change(),
        sources=SOURCES,
    )  # fmt: skip


@blueprint.route("/add", methods=["GET", "POST"])
@kept_form.keeping()
@require_function(PortalFunction.ACCESS)
def add() -> ResponseReturnValue:
    """Add a Tax ID and NPI by the number of a payment."""
    staff = current_staff()
    if staff.organization.kind is not OrganizationKind.PROVIDER:
        return redirect(url_for("provider_access.index"), 303)
    if request.method == "GET":
        return _add_page({})
    form, errors = load_form(NewEntry())
    if errors:
        return _add_page(errors), 400
    try:
        payment_entries.add_by_payment(
            db_session(), staff, **form, network=network(), days=settings().plan.provider.proof_days
        )
    except (ProofRefused, EntryStands) as problem:
        return _refused(problem)
    return redirect(url_for("provider_access.index", done="added"), 303)


def may_change() -> bool:
    """Whether this login may add, ask and withdraw."""
    return current_staff().may(PortalFunction.ACCESS)


def network() -> str:
    """Where this try comes from, as limits count it."""
    return throttling.network_of(request.remote_addr)


@blueprint.app_template_global("contact_us_url")
def contact_us_url(topic: str | None = None) -> str:
    """Where one writes to the plan: the mailbox, of a topic if given, or the help page where there is none."""
    endpoint = "provider_mailbox.compose"
    return (
        url_for(endpoint, topic=topic) if endpoint in current_app.view_functions else url_for("provider_help.contact")
    )


def _refused(problem: ProofRefused | EntryStands) -> ResponseReturnValue:
    if isinstance(problem, EntryStands):
        return _add_page({"_schema": ["You have this Tax ID and NPI already."]}), 400
    sentence = access_words.refusal(problem, days=settings().plan.provider.proof_days)
    return _add_page({"_schema": [sentence]}), 429 if isinstance(problem, TooManyTries) else 400


def _add_page(errors: dict[str, list[str]]) -> str:
    return render_template(
        "provider/access_add.html", errors=errors, given=request.form, days=settings().plan.provider.proof_days
    )
