"""Receipts of what was answered, yes or no: page, PDF and JSON, made again with the very words shown then."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent import data_types, decisions, grant_changes, grants
from consent.models import ConsentDecision
from consent.scopes import parse
from oauth.apps import connections
from oauth.apps.connections import Connection
from service import audit
from service.accounts.page_files import as_download
from service.accounts.sessions import require_login
from service.accounts.stepping_up import require_recent_password
from service.member.acting import Actor, get_actor, require_choice
from service.member.apps.grant_story import Event, story_of
from service.member.consent import consent_words, receipt_pdf
from service.web import NotFoundPage, db_session, settings

blueprint = Blueprint("receipts", __name__)


@dataclass(frozen=True)
class Receipt:
    """One answer with its words and choices, and what has become of it. `others` are answers to the same app.

    `connection` is None where the app was not let in: every answer to it so far was a no.
    """

    connection: Connection | None
    decision: ConsentDecision
    words: dict[str, Any]
    ticked: list[str]
    sensitive: list[str]
    duration: str
    online: bool | None
    others: list[ConsentDecision]
    story: list[Event]

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
    _actor, receipt = _receipt(decision_id)
    return render_template("member/decision.html", receipt=receipt, decision=receipt.decision, words=receipt.words)


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
    actor, receipt = _receipt(decision_id)
    _record(actor, receipt, "json")
    made = orjson.dumps(_as_json(receipt), option=orjson.OPT_INDENT_2)
    return as_download(actor.file_name("receipt", "json"), "application/json", made)


def _receipt(decision_id: UUID) -> tuple[Actor, Receipt]:
    session, actor = db_session(), get_actor()
    try:
        decision, others = decisions.get(session, actor.account, actor.choice, str(decision_id))
    except decisions.UnknownDecision:
        raise NotFoundPage from None
    grant = grants.after(session, decision)
    connection = connections.of_grant(session, actor.account, grant, settings().plan) if grant else None
    changes = grant_changes.of_grant(session, grant) if grant else []
    asked, granted = parse(decision.asked_scopes), parse(decision.granted_scopes)
    return actor, Receipt(
        connection=connection,
        decision=decision,
        words=decision.words,
        ticked=data_types.names(granted),
        sensitive=[str(kind.name) for kind in data_types.find_sensitive(decision.sensitive_classes)],
        duration=str(consent_words.DURATIONS[decision.duration]),
        online="online_access" in granted if "online_access" in asked else None,
        others=others,
        story=story_of(connection, changes, actor.account) if connection else [],
    )


def _record(actor: Actor, receipt: Receipt, form: str) -> None:
    audit.record(
        db_session(), "consent:receipt:download", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=actor.choice.link.id if actor.choice.link else None, client_id=receipt.decision.client_id,
        grant_id=receipt.connection.grant.id if receipt.connection else None,
        detail={"decision": receipt.decision.id, "form": form},
    )  # fmt: skip


def _as_json(receipt: Receipt) -> dict[str, Any]:
    decision = receipt.decision
    return {
        "receipt": decision.id,
        "answered_at": decision.at.isoformat(),
        "answer": decision.answer.value,
        "language": decision.language,
        "text_version": decision.text_version,
        "app": {"client_id": decision.client_id, "version": decision.client_version},
        "asked": decision.asked_scopes.split(),
        "agreed": decision.granted_scopes.split(),
        "types": receipt.ticked,
        "sensitive_classes": list(decision.sensitive_classes),
        "duration": decision.duration.value,
        "while_away": decision.offline,
        "words": receipt.words,
        "grant": receipt.connection.grant.id if receipt.connection else None,
        "afterwards": [
            {"at": event.at.isoformat(), "what": event.what, "by": event.by} for event in reversed(receipt.story)
        ],
    }
