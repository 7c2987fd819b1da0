"""Provider Data Profiles: the practitioners and places of one's groups, and changes asked of the plan."""

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from consent import policy
from service.accounts import kept_form
from service.plan.models import PortalFunction, ProfileChange, ProfileChangeKind, ProviderGroup
from service.plan.providers import numbers, provider_groups, provider_profiles
from service.plan.providers.profile_words import FIELDS, GENDERS, KINDS, STATES, content
from service.provider.gate import current_staff, require_function
from service.provider.profiles import profile_form
from service.provider.profiles.profile_schemas import FORMS
from service.web import NotFoundPage, PageError, db_session, load_form, settings

blueprint = Blueprint("provider_profiles", __name__, url_prefix="/provider/profiles")
_ID_AT_MOST = 36
_ELSEWHERE = _("This change was answered meanwhile, or names somebody who is not in your group any more.")


class ChangeGone(PageError):
    """The change was answered, or its subject left, while the page stood open."""

    status = 409
    title = _("That is not possible any more")
    sentence = _ELSEWHERE


@blueprint.get("/")
@require_function(PortalFunction.PROFILES)
def index() -> ResponseReturnValue:
    """The groups of this login; a single one at once."""
    groups = _groups()
    if len(groups) == 1:
        return redirect(url_for(".group", group_id=groups[0].id), 303)
    return render_template("provider/profiles.html", groups=groups)


@blueprint.get("/<group_id>")
@require_function(PortalFunction.PROFILES)
def group(group_id: str) -> ResponseReturnValue:
    """Practitioners, places and requests of one group."""
    session, found = db_session(), _group(group_id)
    return render_template(
        "provider/profile_group.html",
        group=found,
        people=provider_profiles.people_of(session, found.id),
        places=provider_profiles.places_of(session, found.id),
        changes=provider_profiles.changes_of(session, [found.id]),
        kinds=KINDS,
        states=STATES,
        content=content,
        dental=found.kind == "dental",
    )


@blueprint.route("/<group_id>/ask/<kind>", methods=["GET", "POST"])
@kept_form.keeping(lambda group_id, kind: url_for(".ask", group_id=group_id, kind=kind, subject=_subject_id()))
@require_function(PortalFunction.PROFILES)
def ask(group_id: str, kind: str) -> ResponseReturnValue:
    """The form of one kind of change."""
    found, wanted = _group(group_id), _kind(kind)
    _require_fitting(found, wanted)
    subject_id = _subject_id()
    if request.method == "GET":
        return _form(found, wanted, subject_id, {}, _standing(found, wanted, subject_id))
    form, errors = load_form(FORMS[wanted]())
    if errors:
        return _form(found, wanted, subject_id, errors, dict(request.form)), 400
    return _ask(found, wanted, form, subject_id)


@blueprint.post("/changes/<change_id>/withdraw")
@require_function(PortalFunction.PROFILES)
def withdraw(change_id: str) -> ResponseReturnValue:
    """Take a request back."""
    session, change = db_session(), _change(change_id)
    try:
        provider_profiles.withdraw(session, change, by_account_id=current_staff().account_id)
    except provider_profiles.ChangeOver:
        raise ChangeGone from None
    return redirect(url_for(".group", group_id=change.group_id), 303)


@blueprint.get("/changes/<change_id>/form.pdf")
@require_function(PortalFunction.PROFILES)
def change_form(change_id: str) -> Response:
    """The change as a form to mail or fax to other payers."""
    session, change = db_session(), _change(change_id)
    made = profile_form.render(change, provider_groups.get(session, change.group_id), settings().plan)
    headers = {"Content-Disposition": 'attachment; filename="change-form.pdf"'}
    return Response(made, content_type="application/pdf", headers=headers)


def _ask(
    found: ProviderGroup, kind: ProfileChangeKind, form: dict[str, Any], subject_id: str | None
) -> ResponseReturnValue:
    try:
        provider_profiles.ask(
            db_session(), found, kind, form, subject_id=subject_id, by_account_id=current_staff().account_id
        )
    except provider_profiles.NotOfTheGroup:
        raise ChangeGone from None
    except provider_profiles.AlreadyOfTheGroup:
        taken = {"npi": [_("This practitioner is in your group already.")]}
        return _form(found, kind, subject_id, taken, dict(request.form)), 400
    except numbers.UnusableNpi as unusable:
        return _form(found, kind, subject_id, {"npi": [unusable.sentence]}, dict(request.form)), 400
    return redirect(url_for(".group", group_id=found.id), 303)


def _groups() -> list[ProviderGroup]:
    session = db_session()
    access = policy.provider_authority(session, current_staff(), PortalFunction.PROFILES, reason="provider profile")
    return [provider_groups.get(session, one.group_id) for one in access.groups]


def _group(group_id: str) -> ProviderGroup:
    found = next((one for one in _groups() if one.id == group_id), None)
    if found is None:
        raise NotFoundPage
    return found


def _change(change_id: str) -> ProfileChange:
    try:
        return provider_profiles.get_change(db_session(), change_id, [one.id for one in _groups()])
    except provider_profiles.NoSuchChange:
        raise NotFoundPage from None


def _kind(text: str) -> ProfileChangeKind:
    try:
        return ProfileChangeKind(text)
    except ValueError:
        raise NotFoundPage from None


def _subject_id() -> str | None:
    """The id that the form names, if it can be one."""
    given = request.values.get("subject")
    if given is not None and (len(given) > _ID_AT_MOST or not given.isprintable()):
        raise NotFoundPage
    return given


def _require_fitting(found: ProviderGroup, kind: ProfileChangeKind) -> None:
    # Groups without a contract write to the plan by the one form that is theirs.
    if found.contracted == (kind is ProfileChangeKind.OUT_OF_NETWORK):
        raise NotFoundPage


def _standing(found: ProviderGroup, kind: ProfileChangeKind, subject_id: str | None) -> dict[str, Any]:
    """What the plan has on file of the practitioner or place, to start from."""
    session = db_session()
    people = {one.person.id: one.person for one in provider_profiles.people_of(session, found.id)}
    places = {place.id: place for place in provider_profiles.places_of(session, found.id)}
    subject = people.get(subject_id or "") or places.get(subject_id or "")
    if subject is None and subject_id is not None:
        raise NotFoundPage
    return {name: getattr(subject, name, "") for name in FORMS[kind]().fields}


def _form(
    found: ProviderGroup, kind: ProfileChangeKind, subject_id: str | None, errors: object, given: dict[str, Any]
) -> str:
    return render_template(
        "provider/profile_change.html", group=found, kind=kind, words=KINDS[kind], fields=FIELDS,
        genders=list(GENDERS.items()), names=list(FORMS[kind]().fields), subject_id=subject_id, errors=errors,
        given=given,
    )  # fmt: skip
