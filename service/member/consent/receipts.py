"""Receipts of what was answered, yes or no: page, PDF and JSON, made again with the very words shown then."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import lazy_gettext as _

from consent import decisions, grant_changes, grants, kept_words
from consent.models import Answer, ConsentDecision, Grant
from oauth.apps import connections
from oauth.apps.connections import Connection
from service import audit
from service.accounts.page_files import as_download
from service.accounts.sessions import require_login
from service.accounts.stepping_up import require_recent_password
from service.member.acting import Actor, get_actor, require_choice
from service.member.apps.grant_story import Event, for_programs, story_of
from service.member.consent import receipt_pdf, seen
from service.member.consent.receipt_words import TODAYS_WORDS
from service.member.consent.seen import Kept
from service.member.language import current_language
from service.web import NotFoundPage, PageError, db_session, plan, settings

blueprint = Blueprint("receipts", __name__)
log = structlog.get_logger("service.member.receipts")
_THEN = "then"


class NotTheWordsOfThen(PageError):
    """What is kept of the page is not what its digest was made of: better no receipt than a wrong one."""

    status = 500
    title = _("We cannot show this receipt")
    sentence = _("The words that we kept are not those of that day. Please call us and tell us the date of the answer.")


class KeptByLaterRelease(PageError):
    """The answer was given at a server of a later release: while both answer side by side, the other one knows it."""

    status = 503
    retry_after = 300
    title = _("We cannot show this receipt yet")
    sentence = _(
        "Your answer is safe, and it counts. We are renewing our pages just now. Please try again in a few minutes."
    )


@dataclass(frozen=True)
class Receipt:
    """One answer as it was kept, and what has become of it since. `others` are answers to the same app.

    `connection` is None where the app was not let in: every answer to it so far was a no.
    """

    kept: Kept
    connection: Connection | None
    others: list[ConsentDecision]
    story: list[Event]

    @property
    def decision(self) -> ConsentDecision:
        """The answer."""
        return self.kept.decision

    @property
    def is_overtaken(self) -> bool:
        """Whether a later answer counts now."""
        return self.connection is not None and self.connection.grant.decision.at > self.decision.at


@blueprint.get("/apps/answers/<uuid:decision_id>")
@require_login
@require_recent_password(5)
@require_choice
def show(decision_id: UUID) -> ResponseReturnValue:
    """What was asked, in the very words shown, what was answered, and what has become of it.

    The headings around those words are in the language of the reader; with `headings=then`, as they were kept.
    """
    _actor, receipt = _receipt(decision_id, current_language().code)
    kept = receipt.kept
    return render_template(
        "member/decision.html", receipt=receipt, decision=kept.decision, kept=kept, words=kept.words, frame=kept.frame,
        heads=kept.heads, can_be_framed=kept.framed_in(current_language().code) is not None, todays_words=TODAYS_WORDS,
    )  # fmt: skip


@blueprint.get("/apps/answers/<uuid:decision_id>/receipt.pdf")
@require_login
@require_recent_password(5)
@require_choice
def download_pdf(decision_id: UUID) -> ResponseReturnValue:
    """The same to print."""
    actor, receipt = _receipt(decision_id)
    _record(actor, receipt, "pdf")
    made = receipt_pdf.render(receipt, settings().plan)
    return as_download(actor.file_name("receipt", "pdf"), "application/pdf", made)


@blueprint.get("/apps/answers/<uuid:decision_id>/receipt.json")
@require_login
@require_recent_password(5)
@require_choice
def download_json(decision_id: UUID) -> ResponseReturnValue:
    """The same for programs."""
    actor, receipt = _receipt(decision_id, frames=False)
    _record(actor, receipt, "json")
    made = orjson.dumps(_as_json(receipt), option=orjson.OPT_INDENT_2)
    return as_download(actor.file_name("receipt", "json"), "application/json", made)


def _receipt(decision_id: UUID, language: str | None = None, *, frames: bool = True) -> tuple[Actor, Receipt]:
    """The receipt; what has happened since is told in `language`, or in the receipt's own.

    `frames`: with headings in the language of its reader, unless they ask for those of then.
    """
    session, actor = db_session(), get_actor()
    try:
        decision, others = decisions.get(session, actor.account, actor.choice, str(decision_id))
    except decisions.UnknownDecision:
        raise NotFoundPage from None
    try:
        kept = seen.read(session, decision, plan())
    except seen.LaterFormat:
        log.warning("kept_format_unknown", decision=decision.id)
        raise KeptByLaterRelease from None
    except kept_words.AlteredWords:
        log.error("kept_words_altered", decision=decision.id, hash=decision.words["page"])
        raise NotTheWordsOfThen from None
    if frames and request.args.get("headings") != _THEN:
        kept = kept.framed_in(current_language().code) or kept
    grant = grants.after(session, decision)
    with force_locale(language or kept.language):
        connection, story = _since(actor, grant, kept) if grant else (None, [])
    return actor, Receipt(kept, connection, others, story)


def _since(actor: Actor, grant: Grant, kept: Kept) -> tuple[Connection, list[Event]]:
    connection = connections.of_grant(db_session(), actor.account, grant, settings().plan)
    # What was left is named as in the answer, so that the two can be compared.
    return connection, story_of(connection, grant_changes.of_grant(db_session(), grant), actor.account, kept)


def _record(actor: Actor, receipt: Receipt, form: str) -> None:
    audit.record(
        db_session(), "consent:receipt:download", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=actor.choice.link.id if actor.choice.link else None, client_id=receipt.decision.client_id,
        grant_id=receipt.connection.grant.id if receipt.connection else None,
        detail={"decision": receipt.decision.id, "form": form},
    )  # fmt: skip


def _as_json(receipt: Receipt) -> dict[str, Any]:
    decision, kept = receipt.decision, receipt.kept
    allowed = decision.answer is Answer.ALLOW
    return {
        "receipt": decision.id,
        "format": kept.format,
        "answered_at": decision.at.isoformat(),
        "answer": decision.answer.value,
        "language": decision.language,
        "text_version": decision.text_version,
        "receipt_version": kept.frame["version"],
        "in_todays_words": kept.in_todays_words,
        "app": {"client_id": decision.client_id, "version": decision.client_version},
        "asked": decision.asked_scopes.split(),
        "agreed": decision.granted_scopes.split(),
        "types": kept.types,
        "sensitive_classes": list(decision.sensitive_classes),
        "duration": decision.duration.value if allowed else None,
        "while_away": decision.offline,
        "words": kept.words,
        "grant": receipt.connection.grant.id if receipt.connection else None,
        "afterwards": [for_programs(event, datetime.isoformat) for event in reversed(receipt.story)],
    }
