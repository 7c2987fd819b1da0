"""The consent screen: who asks, for which data, about whom, for how long; the answer is bound to all of it, once.

The request is kept by `oauth`, the member chosen by the login session: what a form says of either is only compared.
"""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.datastructures import MultiDict

from consent import data_types, decisions, grant_terms, grants, representatives
from consent.models import Answer, ConsentDecision, Duration, Grant, GrantStatus
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet, parse
from oauth.authorization import flows
from oauth.authorization.flows import PendingView
from oauth.errors import InvalidScope
from service.accounts import kept_form
from service.accounts.sessions import current_login, require_login
from service.accounts.stepping_up import RECENT_MINUTES, ask_to_step_up
from service.clock import now
from service.member import acting
from service.member.acting import Actor, Person
from service.member.apps.console import NotYoursToResume
from service.member.consent import consent_words, previewing, seen
from service.member.consent.consent_words import Words
from service.member.consent.waiting import note_waiting
from service.member.language import current_language
from service.member.marking import N_
from service.member.representatives.select_member import OWN_INFORMATION, member_options
from service.member.schemas import ConsentAnswer, SelectMember
from service.web import PageError, allow_form_redirect, browser_id, db_session, load_form, plan, settings

blueprint = Blueprint("consent", __name__)
_READING_MINUTES = RECENT_MINUTES + 10
"""How old the step-up may be when the answer comes: it was recent when the page was shown."""
_TICKS = ("request", "shown", "data", "part", "sensitive", "duration", "offline", "online", "longer")
_NOTHING_TICKED = N_("Check at least one type of information, or choose Don't allow.")


class OtherWords(PageError):
    """The page that was answered does not say what the page says now (another language, app or member)."""

    status = 409
    title = _("This page has changed since you opened it")
    sentence = _("Nothing was shared. Please go back, reload the page, read it again and then answer.")


class NothingToRead(PageError):
    """The answer cannot be read as one of this page's form."""

    title = _("We could not read your answer")
    sentence = _("Nothing was shared. Please go back to the page and press Allow or Don't allow.")


@dataclass(frozen=True)
class Ticks:
    """What stands ticked when the page is shown: ordinary data yes, very personal topics no (CS 3)."""

    data: frozenset[str]
    parts: frozenset[str]
    sensitive: frozenset[str] = frozenset()
    duration: Duration = Duration.THIRTEEN_MONTHS
    returning: frozenset[str] = frozenset({"offline", "online"})


@blueprint.get("/consent")
def show() -> ResponseReturnValue:
    """Sign in, then choose the member, then ask; straight through when all of it was agreed to before and stands."""
    pending = _pending()
    if "none" in pending.prompts or _must_go_back(pending):
        return redirect(url_for("oauth.resume", request_id=pending.id), 303)
    person = acting.get_person()
    if not person.choices:
        return _dead_end(pending)
    if not any(map(pending.may_be_about, person.choices)):
        return redirect(flows.refuse(db_session(), pending), 303)
    if person.choice is None or _must_choose(pending, person):
        return _choose_page(pending, person, {})
    _require_launched(pending, person.choice)
    actor = Actor(person.account, person.choice)
    if _is_beyond_right(pending, actor.choice):
        return _beyond_right(pending, actor)
    grant, is_held = grants.live_grant_and_hold(db_session(), actor.choice, actor.account.id, pending.client.id)
    if grant is not None and flows.goes_straight_through(pending, grant, actor.choice):
        return redirect(flows.answer(db_session(), pending, grant=grant, login=person.login), 303)
    if is_held:
        raise NotYoursToResume
    words = _words(pending, actor)
    kept = _find_kept(pending, words)
    may_need = any(item.key == "offline" for item in words.offline) or not actor.choice.is_self
    # Before anything is read or ticked, so that nothing has to be done twice; more time costs one press alone.
    if may_need and (way := ask_to_step_up(person.login, _READING_MINUTES if kept else RECENT_MINUTES)) is not None:
        return way
    ticks = _ticked(kept) if kept is not None else _ticks_at_first(pending, actor, words, grant)
    flows.note_shown(db_session(), pending)
    return kept_form.forget(_page(pending, actor, words, {}, ticks, grant, kept=kept))


@blueprint.post("/consent/member")
@require_login
def choose() -> ResponseReturnValue:
    """Keep for whom the request is answered, and go on to the question."""
    pending, person = _pending(), acting.get_person()
    form, errors = load_form(SelectMember())
    if errors:
        return _choose_page(pending, person, errors), 400
    choice = acting.choose(person, form["selected"])
    return redirect(url_for("consent.show", request=pending.id, member=choice.member.patient_id), 303)


def _again() -> str:
    """The page whose form is at hand; its request waits anew, so that there is time to sign in."""
    pending = _pending()
    flows.note_shown(db_session(), pending)
    return url_for("consent.show", request=pending.id, member=request.form.get("member"))


@blueprint.post("/consent/longer")
@kept_form.keeping(_again, _TICKS)
@require_login
def take_longer() -> ResponseReturnValue:
    """Let the request wait anew, with what is ticked so far (WCAG 2.2.1)."""
    again = _again()
    return kept_form.keep(_TICKS, again, acting.get_person().account, again)


@blueprint.post("/consent")
@kept_form.keeping(_again, _TICKS)
@require_login
def decide() -> ResponseReturnValue:
    """Keep the answer; a yes makes the grant and the code, a no ends the request. Either works once."""
    pending, person = _pending(), acting.get_person()
    if _must_go_back(pending):
        return redirect(url_for("oauth.resume", request_id=pending.id), 303)
    actor = acting.get_actor()
    _require_launched(pending, actor.choice)
    if _is_beyond_right(pending, actor.choice):
        return _beyond_right(pending, actor)
    words = _words(pending, actor)
    form, errors = load_form(ConsentAnswer())
    if errors:
        raise NothingToRead
    if form["shown"] != words.digest:
        raise OtherWords
    if form["answer"] is Answer.DENY:
        _record(pending, actor, words, Answer.DENY, decisions.Chosen(ScopeSet()))
        return redirect(flows.refuse(db_session(), pending), 303)
    chosen = _chosen(form, flows.askable(pending, actor.choice), words)
    if words.groups and not chosen.scopes.resources:
        returning = frozenset(name for name in ("offline", "online") if form[name])
        ticks = Ticks(frozenset(), words.part_keys, chosen.sensitive_classes, chosen.duration, returning)
        grant = grants.live_grant(db_session(), actor.account.id, actor.choice.member.id, pending.client.id)
        return _page(pending, actor, words, {"data": [_NOTHING_TICKED]}, ticks, grant), 400
    steps_up = chosen.offline or not actor.choice.is_self
    if steps_up and (way := ask_to_step_up(person.login, _READING_MINUTES)) is not None:
        return way
    try:
        representatives.hold(db_session(), actor.choice)
    except representatives.RightOver:
        raise acting.NotActing from None
    try:
        given = grants.give(db_session(), _record(pending, actor, words, Answer.ALLOW, chosen), actor.choice)
    except grants.HeldByMember:
        raise NotYoursToResume from None
    once = chosen.duration is Duration.ONCE
    return redirect(flows.answer(db_session(), pending, grant=given, login=person.login, once=once), 303)


@blueprint.post("/consent/leave")
def leave() -> ResponseReturnValue:
    """Go back to the app with a no, for a person who has nothing to share with it, or may open no account here.

    Where nothing of what is asked is within their right, the app learns what it learns of any ask of which nothing can
    be given: invalid_scope (CS 5).
    """
    pending, person = _pending(), acting.find_person()
    choice = person.choice if person else None
    if person and request.form.get("member"):
        # A page that shows no member sends none.
        choice = acting.get_actor().choice
    beyond = choice is not None and _is_beyond_right(pending, choice)
    return redirect(flows.refuse(db_session(), pending, InvalidScope() if beyond else None), 303)


def _pending() -> PendingView:
    found = flows.get_pending(db_session(), request.values.get("request", ""), browser_id())
    note_waiting(found)
    allow_form_redirect(found.form_action)
    return found


def _must_go_back(pending: PendingView) -> bool:
    login = current_login()
    return pending.needs_sign_in(login) or pending.was_launched_elsewhere(login)


def _must_choose(pending: PendingView, person: Person) -> bool:
    """Whether the member has still to be picked for this request: by everybody with a choice, or as the app asks."""
    if pending.launched_in is not None or (person.choice and _chosen_here(person.choice)):
        return False
    return _may_choose(person) or pending.asks_which_account(person.login)


def _may_choose(person: Person) -> bool:
    return len(person.choices) > 1 or not person.choices[0].is_self


def _require_launched(pending: PendingView, choice: MemberChoice) -> None:
    # Chosen another one in a second window since the portal opened the app.
    if not pending.may_be_about(choice):
        raise acting.OtherMember


def _chosen_here(choice: MemberChoice) -> bool:
    # The address names the member picked for this request; a pick in another window since then asks again.
    return request.args.get("member") == choice.member.patient_id


def _is_beyond_right(pending: PendingView, choice: MemberChoice) -> bool:
    """Whether the app asks for health information, and nothing of it is this person's to share."""
    return bool(data_types.asked(pending.scopes)) and not data_types.asked(flows.askable(pending, choice))


def _words(pending: PendingView, actor: Actor) -> Words:
    return consent_words.compose(
        client=pending.client,
        reviewed=pending.reviewed,
        scopes=flows.askable(pending, actor.choice),
        choice=actor.choice,
        account=actor.account,
        plan=settings().plan,
        language=current_language().code,
    )


def _chosen(form: dict[str, Any], askable: ScopeSet, words: Words) -> decisions.Chosen:
    """What was ticked of what was shown; a tick for something that was not shown counts for nothing."""
    parts = words.part_keys & set(form["part"])
    scopes = data_types.ticked(askable, words.type_keys & set(form["data"]), parts)
    # What is let in for this time only does not come back, whatever stands in boxes that are ticked beforehand.
    is_once = form["duration"] is Duration.ONCE
    returning = set() if is_once else {item.key for item in words.offline if form[item.key]}
    refused = [word for key, word in consent_words.RETURNING.items() if key not in returning]
    return decisions.Chosen(
        scopes=scopes.without(*refused),
        sensitive_classes=frozenset(key.value for key in form["sensitive"]) & {item.key for item in words.sensitive},
        duration=form["duration"],
        offline="offline" in returning,
    )


def _ticks_at_first(pending: PendingView, actor: Actor, words: Words, grant: Grant | None) -> Ticks:
    """All that is asked for; where it was answered before, as the grant stands now, but for very personal topics."""
    if grant is None or not grants.is_by(grant, actor.choice.link):
        return Ticks(words.type_keys, words.part_keys)
    answered, left = parse(grant.decision.asked_scopes), parse(grant.scopes)
    data, parts = data_types.ticked_before(flows.askable(pending, actor.choice), answered, left)
    # Whether it may come back was no question for once.
    is_once = grant.decision.duration is Duration.ONCE
    returning = (
        key for key, word in consent_words.RETURNING.items() if word in left or word not in answered or is_once
    )
    return Ticks(data, parts, duration=grant.duration, returning=frozenset(returning))


def _find_kept(pending: PendingView, words: Words) -> MultiDict[str, str] | None:
    """What was ticked on this very page; what was ticked under other words counts for nothing."""
    kept = kept_form.find_kept()
    same = kept is not None and kept.get("request") == pending.id and kept.get("shown") == words.digest
    return kept if same else None


def _ticked(kept: MultiDict[str, str]) -> Ticks:
    several = {name: frozenset(kept.getlist(name)) for name in ("data", "part", "sensitive")}
    length = kept.get("duration", "")
    return Ticks(
        several["data"], several["part"], several["sensitive"],
        Duration(length) if length in {one.value for one in Duration} else Duration.THIRTEEN_MONTHS,
        frozenset(name for name in ("offline", "online") if kept.get(name)),
    )  # fmt: skip


def _record(
    pending: PendingView, actor: Actor, words: Words, answer: Answer, chosen: decisions.Chosen
) -> ConsentDecision:
    at, granted = now(), chosen.scopes if answer is Answer.ALLOW else ScopeSet()
    asked = decisions.Asked(
        client_id=pending.client.id,
        client_version=pending.client.version,
        scopes=pending.scopes,
        language=words.language,
        text_version=words.text_version,
        words=seen.keep(db_session(), words, at, granted, plan()),
    )
    return decisions.record(db_session(), actor.account, actor.choice, asked, answer=answer, chosen=chosen, at=at)


def _page(
    pending: PendingView, actor: Actor, words: Words, errors: dict[str, list[str]], ticks: Ticks,
    grant: Grant | None, *, kept: MultiDict[str, str] | None = None,
) -> str:  # fmt: skip
    scopes = flows.askable(pending, actor.choice)
    # What was let in for this time only is over soon, whatever is answered.
    stands = grant and grant.duration is not Duration.ONCE and grants.is_by(grant, actor.choice.link)
    return render_template(
        "member/consent.html",
        pending=pending,
        actor=actor,
        words=words,
        ticked=ticks,
        errors=errors,
        preview=previewing.preview(db_session(), actor, scopes, client_id=pending.client.id),
        paused=grant is not None and grant.status is GrantStatus.PAUSED,
        beside=data_types.names(grant_terms.undecided_by(grant, scopes)) if grant and stands else [],
        beside_until=grant.expires_at if grant else None,
        again=url_for("consent.show", request=pending.id),
        may_choose=_may_choose(acting.get_person()),
        listed=pending.listed,
        was_kept=kept is not None and not kept.get("longer"),
        longer=kept is not None and bool(kept.get("longer")),
    )


def _choose_page(pending: PendingView, person: Person, errors: dict[str, list[str]]) -> str:
    return render_template(
        "member/consent_member.html",
        pending=pending,
        options=member_options(person.choices, OWN_INFORMATION),
        selected=person.choice.member.patient_id if person.choice else "",
        again=url_for("consent.show", request=pending.id),
        right_ended=person.right_ended,
        errors=errors,
    )


def _beyond_right(pending: PendingView, actor: Actor) -> ResponseReturnValue:
    page = render_template(
        "member/consent_beyond_right.html", pending=pending, actor=actor,
        reason=consent_words.beyond_right(pending.client, actor.choice), may_choose=_may_choose(acting.get_person()),
        again=url_for("consent.show", request=pending.id),
    )  # fmt: skip
    return page, 403


def _dead_end(pending: PendingView) -> ResponseReturnValue:
    return render_template("member/consent_nobody.html", pending=pending), 403
