"""People who act for me: by which right and until when, ending it, shutting out; and what a new adult decides."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent import coming_of_age, representative_notices, representatives
from consent.link_standing import is_over
from consent.link_words import BASES, LINK_SCOPES
from consent.models import EndedBy, RepresentativeLink
from oauth.apps import connections
from service.accounts.sessions import require_login
from service.clock import now
from service.member.acting import Actor, get_actor, require_choice
from service.web import NotFoundPage, db_session, settings

blueprint = Blueprint("people", __name__)


@blueprint.get("/people")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """The list. Members see who acts for them; a representative does not see the others."""
    actor = _member()
    every = representatives.links_of(db_session(), actor.choice.member)
    return render_template(
        "member/people.html", actor=actor, links=[one for one in every if _acts(one)],
        shut_out=[one for one in every if one.safety_block],
        former=[one for one in every if is_over(one) and not one.safety_block],
        voluntary=representatives.VOLUNTARY, bases=BASES, scopes=LINK_SCOPES, now=now(),
        done=request.args.get("done", ""),
    )  # fmt: skip


@blueprint.post("/people/<uuid:related_person_id>/end")
@require_login
def end(related_person_id: UUID) -> ResponseReturnValue:
    """Take back what the member gave: the right, and with it every app that came in by it, at once."""
    actor = _member()
    link = _get(actor, related_person_id)
    if link.basis not in representatives.VOLUNTARY:
        raise NotFoundPage
    representatives.end_link(db_session(), link, by=EndedBy.MEMBER, by_account_id=actor.account.id)
    representative_notices.ended(db_session(), link)
    return redirect(url_for("people.index", done="ended"), 303)


@blueprint.post("/people/<uuid:related_person_id>/shut-out")
@require_login
def shut_out(related_person_id: UUID) -> ResponseReturnValue:
    """Shut somebody out at once, whatever their right, without a word to them; a privacy officer reviews it."""
    actor = _member()
    link = _get(actor, related_person_id)
    representatives.block(db_session(), link, by_account_id=actor.account.id, reason="The member shut this person out.")
    return redirect(url_for("people.index", done="shut_out"), 303)


@blueprint.get("/people/of-age")
@require_login
@require_choice
def of_age() -> ResponseReturnValue:
    """For a new adult: what parents and guardians had let in, and that it is over."""
    actor = _member()
    links = _ended_at_majority(actor)
    if not links:
        return redirect(url_for("people.decided"), 303)
    every = connections.list_connections(db_session(), actor.account, actor.choice, settings().plan)
    ended = [one for one in every if coming_of_age.lasted_till_then(one.grant, links)]
    return render_template("member/of_age.html", actor=actor, links=links, ended=ended)


@blueprint.post("/people/of-age")
@require_login
def decide() -> ResponseReturnValue:
    """They have decided."""
    actor = _member()
    coming_of_age.decide(db_session(), actor.account, _ended_at_majority(actor))
    had_to = coming_of_age.decided_at(db_session(), actor.choice.member) is not None
    return redirect(url_for("people.decided" if had_to else "member_home.index"), 303)


@blueprint.get("/people/of-age/decided")
@require_login
@require_choice
def decided() -> ResponseReturnValue:
    """That they have decided, for who has just done so, and for who goes back to the question."""
    actor = _member()
    at = coming_of_age.decided_at(db_session(), actor.choice.member)
    if at is None:
        raise NotFoundPage
    return render_template("member/of_age_decided.html", at=at)


def _member() -> Actor:
    actor = get_actor()
    if not actor.choice.is_self:
        raise NotFoundPage
    return actor


def _ended_at_majority(actor: Actor) -> list[RepresentativeLink]:
    return coming_of_age.undecided(db_session(), actor.choice.member, settings().plan.timezone)


def _get(actor: Actor, related_person_id: UUID) -> RepresentativeLink:
    found = representatives.find_link(db_session(), str(related_person_id))
    if found is None or found.member_id != actor.choice.member.id or not _acts(found):
        raise NotFoundPage
    return found


def _acts(link: RepresentativeLink) -> bool:
    return not link.safety_block and not is_over(link)
