"""View all accounts: delegates find, create and maintain the logins of their organisation (product.md PV 5)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.accounts import kept_form
from service.accounts.invited import InvitationOver
from service.accounts.usernames import email_key
from service.plan.logins import delegates, invitations, portal_accounts, portal_staff, reach, recertification, sharing
from service.plan.logins.delegates import LastDelegate, NotADelegate, NotYetActive, OwnLogin, UnknownLogin
from service.plan.logins.invitations import AlreadyHere, Invitee, SameName, TooManyInvitations
from service.plan.logins.portal_accounts import BeyondOwn, LoginElsewhere
from service.plan.logins.recertification import Terms
from service.plan.models import OrganizationKind, PortalFunction, ProviderStaff, StaffStatus
from service.provider.accounts.account_schemas import NewLogin, Person, Rights
from service.provider.accounts.account_words import SHARING, STATUSES, entry_words
from service.provider.gate import current_staff, require_delegate, require_staff
from service.web import NotFoundPage, PageError, db_session, load_form, settings

blueprint = Blueprint("provider_accounts", __name__, url_prefix="/provider/accounts")
_LONGEST_QUERY = 100


class Refused(PageError):
    """A rule about delegates; the sentence says which and what to do."""

    status = 409
    title = _("That is not possible")


class OnlyDelegates(Refused):
    """The list is the delegates' work; everybody may know who they are."""

    status = 403
    title = _("Only delegates see the accounts of your organization")
    sentence = _("Your organization has no delegate now. Please contact us.")

    def __init__(self, names: Sequence[str] = ()) -> None:
        super().__init__()
        if names:
            self.sentence = _(
                "Your delegate creates and maintains accounts. Please ask: %(names)s.", names=", ".join(names)
            )


class IsOwnLogin(Refused):
    sentence = _("Nobody changes their own login. Ask another delegate of your organization, or contact us.")


class IsLastDelegate(Refused):
    sentence = _(
        "Your organization needs at least one delegate. Make somebody else a delegate first, or contact us if there "
        "is nobody."
    )


class IsNotActive(Refused):
    sentence = _("This login does not work yet or any more. A delegate needs a login that works.")


class WasBeyondOwn(Refused):
    status = 403
    sentence = _("You can give only the applications and provider ids that you have yourself. Nothing was changed.")


class HasLoginElsewhere(Refused):
    sentence = _("This person has another login of the portal that works. It has to be deactivated first.")


class WasTooMany(Refused):
    status = 429
    sentence = _("Too many invitations were sent today. Please try again tomorrow, or contact us.")


class IsInvitationOver(Refused):
    sentence = _("This invitation was used or withdrawn meanwhile. Please look at the list again.")


_ANSWERS: dict[type[Exception], type[PageError]] = {
    NotADelegate: NotFoundPage,
    UnknownLogin: NotFoundPage,
    OwnLogin: IsOwnLogin,
    LastDelegate: IsLastDelegate,
    NotYetActive: IsNotActive,
    BeyondOwn: WasBeyondOwn,
    LoginElsewhere: HasLoginElsewhere,
    TooManyInvitations: WasTooMany,
    InvitationOver: IsInvitationOver,
}
for _rule, _answer in _ANSWERS.items():
    blueprint.register_error_handler(_rule, lambda _error, answer=_answer: _tell(answer))


@blueprint.get("/")
@require_staff
def index() -> ResponseReturnValue:
    """Every login, with a search, and what waits for the delegate's word; for others, who the delegate is."""
    actor, session = current_staff(), db_session()
    if not actor.is_delegate or actor.status is not StaffStatus.ACTIVE:
        found = portal_staff.delegates_of(session, actor.organization_id)
        raise OnlyDelegates([one.account.full_name for one in found])
    query = request.args.get("q", "")[:_LONGEST_QUERY]
    terms = _terms()
    return render_template(
        "provider/accounts.html",
        staff=actor,
        logins=portal_accounts.logins_of(session, actor.organization_id, query),
        invitations=invitations.open_of(session, actor.organization_id),
        due=[one for one in recertification.due_in(session, actor.organization_id, terms) if one.id != actor.id],
        requests=delegates.open_requests(session, actor.organization_id),
        signs=sharing.open_signs(session, actor.organization_id),
        terms=terms,
        query=query,
        done=request.args.get("done", ""),
        **_words(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@kept_form.keeping()
@require_delegate
def create() -> ResponseReturnValue:
    """Look for the person first; only where there is nobody, the form for a new account follows."""
    if request.method == "GET":
        kept = kept_form.look_at_kept()
        return _new_page({}, kept) if kept and "create" in kept else _search_page({}, {})
    person, errors = load_form(Person())
    if errors:
        return _search_page(errors, request.form), 400
    if "create" not in request.form:
        return _found_or_form(_stripped(person))
    form, errors = load_form(NewLogin())
    if errors:
        return _new_page(_without_places(errors), request.form), 400
    return _invite(_stripped(form))


@blueprint.get("/<uuid:staff_id>")
@require_delegate
def show(staff_id: UUID) -> ResponseReturnValue:
    """One login: its facts, rights, and what can be done."""
    return _login_page(_get(staff_id), {})


@blueprint.post("/<uuid:staff_id>/rights")
@require_delegate
def change_rights(staff_id: UUID) -> ResponseReturnValue:
    """Set functions and entries; lets a deactivated login work again."""
    login = _get(staff_id)
    form, errors = load_form(Rights())
    if errors:
        return _login_page(login, _without_places(errors)), 400
    given = [str(one) for one in form["given"]]
    if login.status is StaffStatus.DEACTIVATED:
        portal_accounts.reactivate(
            db_session(), current_staff(), login, functions=form["functions"], given_entry_ids=given
        )  # fmt: skip
        return _back(login, "reactivated")
    portal_accounts.change_rights(
        db_session(), current_staff(), login, functions=form["functions"],
        kept_entry_ids=[str(one) for one in form["kept"]], given_entry_ids=given,
    )  # fmt: skip
    return _back(login, "rights")


@blueprint.post("/<uuid:staff_id>/delegate")
@require_delegate
def set_delegate(staff_id: UUID) -> ResponseReturnValue:
    """Make a colleague a delegate, or none any more."""
    login = _get(staff_id)
    if request.form.get("delegate") == "yes":
        delegates.promote(db_session(), current_staff(), login)
        return _back(login, "promoted")
    delegates.demote(db_session(), current_staff(), login)
    return _back(login, "demoted")


@blueprint.post("/<uuid:staff_id>/certify")
@require_delegate
def certify(staff_id: UUID) -> ResponseReturnValue:
    """Confirm that the person still needs the login."""
    login = _get(staff_id)
    portal_accounts.certify(db_session(), current_staff(), login)
    return redirect(url_for("provider_accounts.index", done="certified", _anchor="certification"), 303)


@blueprint.post("/<uuid:staff_id>/talked")
@require_delegate
def settle(staff_id: UUID) -> ResponseReturnValue:
    """The delegate has talked with the person about signs of sharing."""
    sharing.settle(db_session(), current_staff(), _get(staff_id))
    return redirect(url_for("provider_accounts.index", done="settled"), 303)


@blueprint.route("/<uuid:staff_id>/deactivate", methods=["GET", "POST"])
@require_delegate
def deactivate(staff_id: UUID) -> ResponseReturnValue:
    """Ask once more, then end the login."""
    login = _get(staff_id)
    if request.method == "GET":
        return render_template("provider/account_deactivate.html", staff=current_staff(), login=login)
    delegates.deactivate(db_session(), current_staff(), login)
    return _back(login, "deactivated")


@blueprint.post("/invitations/<uuid:invitation_id>/resend")
@require_delegate
def resend(invitation_id: UUID) -> ResponseReturnValue:
    """A new link by mail; the older one ends."""
    invitations.send_again(db_session(), current_staff(), str(invitation_id), key=settings().secret_key)
    return redirect(url_for("provider_accounts.index", done="resent", _anchor="invitations"), 303)


@blueprint.post("/invitations/<uuid:invitation_id>/withdraw")
@require_delegate
def withdraw(invitation_id: UUID) -> ResponseReturnValue:
    """End an invitation before it is used."""
    invitations.withdraw(db_session(), current_staff(), str(invitation_id))
    return redirect(url_for("provider_accounts.index", done="withdrawn", _anchor="invitations"), 303)


def _tell(answer: type[PageError]) -> ResponseReturnValue:
    # The verb raised, so nothing was kept; what remains is to say which rule it was.
    return current_app.handle_user_exception(answer())


def _found_or_form(person: dict[str, str]) -> ResponseReturnValue:
    found = portal_accounts.find_person(
        db_session(), current_staff().organization_id, email=person["email"],
        full_name=f"{person['given_name']} {person['family_name']}",
    )  # fmt: skip
    same_address = any(one.account.email_key == email_key(person["email"]) for one in found)
    if same_address or (found and request.form.get("another") != "yes"):
        return render_template(
            "provider/account_found.html", staff=current_staff(), found=found, person=person,
            same_address=same_address, **_words(),
        )  # fmt: skip
    return _new_page({}, request.form)


def _invite(form: dict[str, Any]) -> ResponseReturnValue:
    invitee = Invitee(
        form["given_name"], form["family_name"], form["email"], form["phone"], tuple(form["functions"]),
        tuple(str(one) for one in form["given"]), is_delegate=form["delegate"] == "yes",
    )  # fmt: skip
    try:
        invitations.invite(
            db_session(), current_staff(), invitee, key=settings().secret_key, name_is_another=form["another"] == "yes"
        )
    except (AlreadyHere, SameName):
        return _found_or_form(form)
    return redirect(url_for("provider_accounts.index", done="invited", _anchor="invitations"), 303)


def _get(staff_id: UUID) -> ProviderStaff:
    return portal_accounts.get_login(db_session(), current_staff(), str(staff_id))


def _back(login: ProviderStaff, done: str) -> ResponseReturnValue:
    return redirect(url_for("provider_accounts.show", staff_id=login.id, done=done), 303)


def _terms() -> Terms:
    return Terms.of(settings().plan)


def _words() -> dict[str, object]:
    return {"STATUSES": STATUSES, "SHARING": SHARING}


def _stripped(form: dict[str, Any]) -> dict[str, Any]:
    return {name: value.strip() if isinstance(value, str) else value for name, value in form.items()}


def _without_places(errors: dict[str, Any]) -> dict[str, list[str]]:
    """The sentences by field; those about a list name the place in it, which no page shows."""
    return {
        name: list(dict.fromkeys(one for part in told.values() for one in part)) if isinstance(told, dict) else told
        for name, told in errors.items()
    }


def _own_rights(actor: ProviderStaff) -> dict[str, object]:
    """What the delegate has to give. A billing organisation's logins reach what its clients allow, and no entries."""
    billing = actor.organization.kind is OrganizationKind.BILLING
    entries = [] if billing else reach.entries_of(db_session(), actor.id)
    return {
        "own_functions": [function for function in PortalFunction if function.value in actor.functions],
        "own_entries": entry_words(db_session(), entries),
        "billing": billing,
    }


def _search_page(errors: object, given: object) -> str:
    return render_template(
        "provider/account_search.html", staff=current_staff(), errors=errors, given=given,
        delegate=request.values.get("delegate", ""),
    )  # fmt: skip


def _new_page(errors: object, given: object) -> str:
    actor = current_staff()
    return render_template(
        "provider/account_new.html", staff=actor, errors=errors, given=given,
        ticked={*request.form.getlist("functions"), *request.form.getlist("given")}, **_own_rights(actor), **_words(),
    )  # fmt: skip


def _login_page(login: ProviderStaff, errors: object) -> str:
    actor, session = current_staff(), db_session()
    theirs = reach.entries_of(session, login.id)
    held = {portal_accounts.numbers(entry) for entry in theirs}
    own = _own_rights(actor)
    mine = [entry for entry in reach.entries_of(session, actor.id) if portal_accounts.numbers(entry) not in held]
    if not own["billing"]:
        own["own_entries"] = entry_words(session, mine)
    return render_template(
        "provider/account.html",
        staff=actor,
        login=login,
        their_entries=entry_words(session, theirs),
        is_last=delegates.is_last(session, login),
        signs=[sign for sign, staff in sharing.open_signs(session, actor.organization_id) if staff.id == login.id],
        terms=_terms(),
        errors=errors,
        done=request.args.get("done", ""),
        **own,
        **_words(),
    )
