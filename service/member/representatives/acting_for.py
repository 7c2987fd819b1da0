"""People I act for: on which basis, for how much and until when, stopping it, and the requests that wait."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent import representative_notices, representative_requests, representatives
from consent.link_words import BASES, SCOPES
from consent.models import EndedBy
from service.accounts.sessions import require_login
from service.clock import now
from service.member.acting import get_person
from service.member.representatives import representative_words
from service.web import NotFoundPage, db_session

blueprint = Blueprint("acting_for", __name__)


@blueprint.get("/people/i-act-for")
@require_login
def index() -> ResponseReturnValue:
    """The links of this person, those of later days among them, and their requests."""
    session, account = db_session(), get_person().account
    return render_template(
        "member/acting_for.html", account=account, links=representatives.represented_by(session, account),
        requests=representative_requests.list_of_account(session, account), words=representative_words, bases=BASES,
        scopes=SCOPES, now=now(), stopped=request.args.get("done") == "stopped",
    )  # fmt: skip


@blueprint.post("/people/i-act-for/<uuid:related_person_id>/stop")
@require_login
def stop(related_person_id: UUID) -> ResponseReturnValue:
    """Stop acting for one member. The address names the link, so that two tabs with two members never mix."""
    session, account = db_session(), get_person().account
    every = representatives.represented_by(session, account)
    link = next((one for one in every if one.related_person_id == str(related_person_id)), None)
    if link is None:
        raise NotFoundPage
    representatives.end_link(session, link, by=EndedBy.REPRESENTATIVE, by_account_id=account.id)
    representative_notices.ended(session, link)
    return redirect(url_for("acting_for.index", done="stopped"), 303)
