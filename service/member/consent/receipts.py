"""Receipts of what was answered, yes or no: page, PDF and JSON, made again with the very words shown then."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog
from flask import Blueprint, render_template
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
from service.member.apps.grant_story import Event, story_of
from service.member.consent import receipt_pdf, seen
from service.member.consent.receipt_words import TODAYS_WORDS
from service.member.consent.seen import Kept
from service.member.language import current_language
from service.web import NotFoundPage, PageError, db_session, plan, settings

blueprint = Blueprint("receipts", __name__)
log = structlog.get_logger("service.member.receipts")


class NotTheWordsOfThen(PageError):
    """What is kept of the page is not what its digest was made of: better no receipt than a wrong one."""

    status = 500
    title = _("We cannot show this receipt")
    sentence = _(
        "The words that we have kept are not those of then. Please call us and tell us the date of the answer."
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
    """What was asked, in the very words shown, what was answered, and what has become of it."""
    _actor, receipt = _receipt(decision_id, current_language().code)
    kept = receipt.kept
    return render_template(
        "member/decision.html", receipt=receipt, decision=kept.decision, kept=kept, words=kept.words, frame=kept.frame,
        heads=kept.heads, todays_words=TODAYS_WORDS,
    )  # fmt: skip


@blueprint.get("/apps/answers/<uuid:decision_id>/receipt.pdf")
@require_login
@require_recent_password(5)
@require_choice
def download_pdf(decision_id: UUID) -> ResponseReturnValue:
    """The same to print, all of it in the language of the answer."""
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
    actor, receipt = _receipt(decision_id)
    _record(actor, receipt, "json")
    made = orjson.dumps(_as_json(receipt), option=orjson.OPT_INDENT_2)
    return as_download(actor.file_name("receipt", "json"), "application/json", made)


def _receipt(decision_id: UUID, language: str | None = None) -> tuple[Actor, Receipt]:
    """The receipt; what has happened since is told in `language`, or in the receipt's own."""
    session, actor = db_session(), get_actor()
    try:
        decision, others = decisions.get(session, actor.account, actor.choice, str(decision_id))
    except decisions.UnknownDecision:
        raise NotFoundPage from None
    try:
        kept = seen.read(session, decision, plan())
    except kept_words.AlteredWords:
        log.error("kept_words_altered", decision=decision.id, hash=decision.words["page"])
        raise NotTheWordsOfThen from None
    grant = grants.after(session, decision)
    with force_locale(language or kept.language):
        connection, story = _since(actor, grant) if grant else (None, [])
    return actor, Receipt(kept, connection, others, story)


def _since(actor: Actor, grant: Grant) -> tuple[Connection, list[Event]]:
    connection = connections.of_grant(db_session(), actor.account, grant, settings().plan)
    return connection, story_of(connection, grant_changes.of_grant(db_session(), grant), actor.account)


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
        "afterwards": [
            {"at": event.at.isoformat(), "what": event.what, "by": event.by} for event in reversed(receipt.story)
        ],
    }
