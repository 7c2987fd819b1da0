"""For whom the signed-in person acts on this page: the choice kept with the session, the member a form was made for.

Members stand in pages and forms by the id of their FHIR Patient; our own row ids never leave.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, cast

from flask import g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from consent import representatives
from consent.representatives import MemberChoice
from service import audit
from service.accounts import sessions
from service.accounts.models import Account, LoginSession
from service.accounts.next_page import here
from service.accounts.sessions import Login, current_login
from service.web import PageError, db_session

P = ParamSpec("P")


class OtherMember(PageError):
    """The form or link was made for one member while the person now acts for another (two tabs): nothing is done."""

    status = 409
    title = _("You have switched to another member")
    sentence = _(
        "This page was made for one member, but you now act for another, perhaps in a second window. "
        "Nothing was changed. Check the name at the top of the page and start again."
    )


class NotActing(PageError):
    """The form or link was made for a member for whom the person does not act (any more): both look the same."""

    status = 409
    title = _("You cannot act for this member")
    sentence = _(
        "This page was made for a member for whom you do not act, or do not act any more. Nothing was changed and "
        "nothing was shared. If you think that this is wrong, please call us."
    )


class NotTheirs(NotActing):
    """Somebody was chosen to whom the person has no right (any more), while they have one to others."""

    status = 403


class NoMember(PageError):
    """The account is linked to no member (any more)."""

    status = 403
    title = _("No member is linked to your account")
    sentence = _(
        "You can see and share information only of members who are linked to your account. "
        "If you are a personal representative, please call us to be linked."
    )


@dataclass(frozen=True)
class Person:
    """The signed-in person, the members they may act for now, and the one they act for on this page."""

    login: Login
    choices: list[MemberChoice]
    choice: MemberChoice | None

    @property
    def account(self) -> Account:
        """Their account."""
        return self.login.account

    @property
    def right_ended(self) -> bool:
        """Whether they acted for a member in this session for whom they may not act any more."""
        return self.choice is None and self.login.session.acting_member_id is not None


@dataclass(frozen=True)
class Actor:
    """A signed-in person who acts for one member."""

    account: Account
    choice: MemberChoice

    @property
    def form_member(self) -> str:
        """What each form of the page and each link to a file carries, so that two tabs with two members never mix."""
        return self.choice.member.patient_id

    def file_name(self, what: str, ending: str) -> str:
        """What a file about the member is called: `what-Given-Family.ending`, told apart where files are kept."""
        return f"{what}-{'-'.join(self.choice.member.full_name.split())}.{ending}"


def find_person() -> Person | None:
    """Who is signed in; None for a stranger. Looked up once for each database session."""
    session = db_session()
    held = g.get("person")
    if held is None or held[0] is not session:
        g.person = held = (session, _look_up())
    return cast(Person | None, held[1])


def get_person() -> Person:
    """Who is signed in, on a page that requires it."""
    person = find_person()
    assert person is not None, "the page requires sign-in"
    return person


def get_actor(*, for_file: bool = False) -> Actor:
    """The person and their member; raises NoMember without one, OtherMember or NotActing for a form of another.

    `for_file`: what is asked for leaves the page that says whose it is, so that its link is held to the member as a
    form is.
    """
    person = get_person()
    bound = for_file or request.method == "POST"
    made_for = (request.form if request.method == "POST" else request.args).get("member") if bound else None
    if made_for:
        _require_acting_for(person, made_for)
    if person.choice is None:
        raise OtherMember if person.choices else NoMember
    if bound and made_for != person.choice.member.patient_id:
        raise OtherMember
    return Actor(person.account, person.choice)


def require_choice(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Send a person to Select member before a page about one, where they have several or lost the one they chose."""

    @wraps(view)
    def choosing(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        person = get_person()
        if person.choice is None and person.choices:
            return redirect(url_for("select_member.choose", next=here()), 303)
        return view(*args, **kwargs)

    return choosing


def choose(person: Person, patient_id: str) -> MemberChoice:
    """Act for this member from now on in this session; raises NotTheirs or NoMember where they have no right to."""
    wanted = next((choice for choice in person.choices if choice.member.patient_id == patient_id), None)
    if wanted is None:
        raise NotTheirs if person.choices else NoMember
    sessions.act_for(db_session(), person.login, wanted.member.id)
    audit.record(
        db_session(), "member:acting:choose", account_id=person.account.id, member_id=wanted.member.id,
        link_id=wanted.link.id if wanted.link else None,
    )  # fmt: skip
    g.pop("person", None)
    return wanted


def _require_acting_for(person: Person, patient_id: str) -> None:
    if all(choice.member.patient_id != patient_id for choice in person.choices):
        raise NotActing


def _look_up() -> Person | None:
    signed_in = current_login()
    if signed_in is None:
        return None
    choices = representatives.members_for(db_session(), signed_in.account)
    return Person(signed_in, choices, _chosen(signed_in.session, choices))


def _chosen(login: LoginSession, choices: list[MemberChoice]) -> MemberChoice | None:
    # Whoever has lost the member they acted for says who is next, also where one is left: pages must not change hands.
    if len(choices) == 1 and login.acting_member_id is None:
        return choices[0]
    return next((choice for choice in choices if choice.member.id == login.acting_member_id), None)
