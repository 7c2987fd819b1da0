"""Messages: the message center, with what is new on top, and which of it is told by e-mail."""

from math import ceil
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent.representatives import MemberChoice
from oauth.apps import clients
from service import audit
from service.accounts import notices
from service.accounts.notice_model import Notice
from service.accounts.sessions import require_login
from service.member.acting import Person, get_person
from service.member.messages import notice_words
from service.member.messages.notice_words import NOBODYS, Message, Whose
from service.member.schemas import MailsWanted, Paged
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("messages", __name__)
PER_PAGE = 20


@blueprint.get("/messages")
@require_login
def index() -> ResponseReturnValue:
    """A page of messages; those that were new are marked, and are read from then on."""
    person, (asked, _errors) = get_person(), load_form(Paged(), request.args)
    page: int = asked.get("page", 1)
    found, number = notices.list_of(db_session(), person.account, first=(page - 1) * PER_PAGE, most=PER_PAGE)
    messages = _messages(person, found)
    if request.method == "GET":
        notices.mark_read(db_session(), found)
    return render_template(
        "member/messages.html", messages=messages, page=page, pages_in_all=ceil(number / PER_PAGE),
        topics=notice_words.TOPICS, mailed=notices.mailed_topics(person.account), always=notices.ALWAYS_MAILED,
        saved=request.args.get("saved", ""),
    )  # fmt: skip


@blueprint.post("/messages/<uuid:notice_id>/unread")
@require_login
def mark_unread(notice_id: UUID) -> ResponseReturnValue:
    """Show a message as new until it is looked at again."""
    try:
        notices.mark_unread(db_session(), get_person().account, str(notice_id))
    except notices.UnknownNotice:
        raise NotFoundPage from None
    return redirect(url_for("member_home.index"), 303)


@blueprint.post("/messages/mails")
@require_login
def choose_mails() -> ResponseReturnValue:
    """Keep of which messages the person wants mails."""
    form, errors = load_form(MailsWanted())
    if errors:
        raise NotFoundPage
    account = get_person().account
    notices.choose_mails(account, form["topic"])
    audit.record(
        db_session(), "member:mails:choose", account_id=account.id, detail={"unmailed": account.unmailed or []}
    )  # fmt: skip
    return redirect(url_for("messages.index", saved="mails"), 303)


def _messages(person: Person, found: list[Notice]) -> list[Message]:
    apps = clients.get_several(db_session(), {notice.client_id for notice in found if notice.client_id})
    return [
        notice_words.message_of(
            notice, app=apps[notice.client_id].name if notice.client_id else "", whose=_whose(person, notice)
        )
        for notice in found
    ]  # fmt: skip


def _whose(person: Person, notice: Notice) -> Whose:
    """Whose information a notice is about, and how its reader gets there from the member of this page."""
    if notice.member_id is None:
        return NOBODYS
    is_own = notice.member_id == person.account.member_id or notice.member_name == ""
    choice = next((one for one in person.choices if _fits(one, notice, is_own=is_own)), None)
    name = None if is_own else choice.member.full_name if choice else notice.member_name
    in_context = choice is not None and choice is person.choice
    return Whose(
        is_own=is_own, name=name, select=choice.member.patient_id if choice and not in_context else "",
        is_closed=choice is None and not is_own,
    )  # fmt: skip


def _fits(choice: MemberChoice, notice: Notice, *, is_own: bool) -> bool:
    return choice.is_self if is_own else choice.member.id == notice.member_id
