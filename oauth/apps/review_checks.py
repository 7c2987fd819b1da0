"""The check-list of a review, as data: the same questions for every app, each with the ground that a no would be.

Whether the developer agrees to the plan's privacy policy is no question here, and cannot be: it is never a ground
(45 CFR 422.119(e)). Only what a developer who agrees has promised is looked up in their own policy.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import clients, reviews
from oauth.apps.app_content import ADDRESSES, AppContent
from oauth.apps.models import AppCheck, AppReview, CheckAnswer, DeclineReason, ReviewState
from oauth.models import Attestation, Client
from service import audit
from service.clock import now
from service.plan.models import PlanStaff
from service.plan.staff.second_looks import SecondLookRefused

MOST_NOTE = 500
_ATTESTED = "policy_says_so"


@dataclass(frozen=True)
class Check:
    """One question, how to look, and the ground on which a no may be declined."""

    key: str
    question: str
    how: str
    ground: DeclineReason


CHECKS = (
    Check(
        "identity", "Is the developer who they say they are?",
        "The organization is named on its website, and somebody there answers for it.", DeclineReason.POSES_AS_ANOTHER,
    ),
    Check(
        "addresses", "Do the redirect and launch addresses belong to the developer?",
        "Each https address is on the developer's domain, or its owner is known. Others lead to the person's own "
        "device.", DeclineReason.ADDRESS_NOT_YOURS,
    ),
    Check(
        "policy_opens", "Does the privacy policy open, and is it about this app?",
        "Open it. It says what is collected, with whom it is shared, and how to have it deleted.",
        DeclineReason.PAGES_MISSING,
    ),
    Check(
        _ATTESTED, "Does the privacy policy say what the developer attested?",
        "Asked only where the developer agreed to the plan's privacy policy.", DeclineReason.DESCRIPTION_UNTRUE,
    ),
    Check("terms_open", "Do the terms of use open?", "Open them.", DeclineReason.PAGES_MISSING),
    Check(
        "scopes", "Does the app use what it asks for, as its reasons say?",
        "Read the reason of each scope beside the description, and try the app.", DeclineReason.DESCRIPTION_UNTRUE,
    ),
    Check(
        "name_and_logo", "Are name and logo its own?",
        "They look neither like the plan's, nor a government's, nor another app's.", DeclineReason.POSES_AS_ANOTHER,
    ),
    Check(
        "support", "Does the support contact answer?", "Write or call, and note when you did.",
        DeclineReason.PAGES_MISSING,
    ),
    Check(
        "security", "Does the app keep members' information on the plan's systems safe?",
        "Connect it in the sandbox: it does not send tokens elsewhere, and asks again when it is refused.",
        DeclineReason.SECURITY_RISK,
    ),
)  # fmt: skip


class ChecksOpen(SecondLookRefused):
    """A question of the check-list has no answer yet, or the answer no."""

    sentence = "The check-list is not complete, or an answer is no. Please look at it before the app is approved."


def asked_of(session: Session, client_id: str) -> tuple[Check, ...]:
    """The questions for this app."""
    return _asked_of(session.get_one(Client, client_id))


def answers_of(session: Session, review: AppReview) -> dict[str, AppCheck]:
    """The answer that counts for each question: the latest about what the version says now."""
    about = (AppCheck.review_id == review.id, AppCheck.content_digest == _digest(review))
    return {given.question: given for given in session.scalars(select(AppCheck).where(*about).order_by(AppCheck.at))}


def history(session: Session, review: AppReview) -> list[AppCheck]:
    """Every answer that was given about a version, the latest first."""
    given = select(AppCheck).where(AppCheck.review_id == review.id).order_by(AppCheck.at.desc(), AppCheck.id)
    return list(session.scalars(given.limit(reviews.MOST_EVENTS)))


def answer(
    session: Session, review: AppReview, answers: Mapping[str, tuple[CheckAnswer, str]], *, by: PlanStaff
) -> None:
    """Keep what a reviewer found, by question as (answer, note); what is the same stays with who found it first.

    Raises WrongState for a version that does not wait for the plan, NotOneself.
    """
    client = clients.lock(session, review.client_id)
    session.refresh(review)
    if review.state is not ReviewState.SUBMITTED:
        raise reviews.WrongState
    reviews.require_neutral(session, review, client, by.account_id)
    before, asked = answers_of(session, review), {check.key for check in _asked_of(client)}
    changed = {key: said for key, said in answers.items() if key in asked and _said(before.get(key)) != said}
    for key, (found, note) in changed.items():
        session.add(
            AppCheck(
                review_id=review.id, content_digest=_digest(review), question=key, answer=found,
                note=note[:MOST_NOTE], account_id=by.account_id, at=now(),
            )
        )  # fmt: skip
    session.flush()
    audit.record(
        session, "oauth:app_review:check", account_id=by.account_id, client_id=client.id,
        detail={"version": review.number, "answers": {key: found.value for key, (found, _) in changed.items()}},
    )  # fmt: skip


def require_passed(session: Session, review: AppReview, client: Client) -> None:
    """Raise ChecksOpen unless every question has an answer and none is no."""
    given = answers_of(session, review)
    for check in _asked_of(client):
        if check.key not in given or given[check.key].answer is CheckAnswer.NO:
            raise ChecksOpen


def foreign_addresses(content: AppContent, domain: str | None) -> list[str]:
    """The https addresses outside of the developer's proven domain; all of them where none is proven."""
    hosts = {uri: urlsplit(uri).hostname or "" for name in ADDRESSES for uri in getattr(content, name)}
    return [uri for uri, host in hosts.items() if uri.startswith("https://") and not _within(host, domain)]


def _asked_of(client: Client) -> tuple[Check, ...]:
    attested = client.attestation is Attestation.ATTESTED
    return tuple(check for check in CHECKS if attested or check.key != _ATTESTED)


def _said(given: AppCheck | None) -> tuple[CheckAnswer, str] | None:
    return (given.answer, given.note) if given else None


def _digest(review: AppReview) -> str:
    return hashlib.sha256(json.dumps(review.content, sort_keys=True).encode()).hexdigest()


def _within(host: str, domain: str | None) -> bool:
    return domain is not None and (host == domain or host.endswith(f".{domain}"))
