"""Receipts of what was agreed: page, PDF and JSON, made again with the very words that were shown then."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from consent import data_types, decisions, grant_changes
from consent.models import ConsentDecision
from consent.scopes import parse
from oauth.apps import connections
from oauth.apps.connections import Connection
from service import audit
from service.accounts.sessions import require_login, require_recent_password
from service.member.acting import Actor, require_choice
from service.member.apps.console import get_actor_and_grant
from service.member.apps.grant_story import Event, story_of
from service.member.consent import consent_words, receipt_pdf
from service.web import NotFoundPage, db_session, settings

blueprint = Blueprint("receipts", __name__)


@dataclass(frozen=True)
class Receipt:
    """One answer with its words and choices, and what has become of it. `others` are answers to the same app."""

    connection: Connection
    decision: ConsentDecision
    words: dict[str, Any]
    ticked: list[str]
    sensitive: list[str]
    duration: str
    online: bool | None
    others: list[ConsentDecision]
    story: list[Event]

    @property
    def is_of_grant(self) -> bool:
        """Whether it is the answer that counts now."""
        return self.decision.id == self.connection.grant.decision_id


@blueprint.get("/apps/<uuid:grant_id>/decision")
@require_login
@require_recent_password(5)
@require_choice
def show(grant_id: UUID) -> ResponseReturnValue:
    """What was asked, in the very words shown, what was answered, and what has become of it."""
    _actor, receipt = _receipt(grant_id)
    return render_template("member/decision.html", receipt=receipt, decision=receipt.decision, words=receipt.words)


@blueprint.get("/apps/<uuid:grant_id>/receipt.pdf")
@require_login
@require_recent_password(5)
@require_choice
def download_pdf(grant_id: UUID) -> ResponseReturnValue:
    """The same to print."""
    actor, receipt = _receipt(grant_id)
    _record(actor, receipt, "pdf")
    return _attached(receipt_pdf.render(receipt, settings().plan), "application/pdf", "pdf")


@blueprint.get("/apps/<uuid:grant_id>/receipt.json")
@require_login
@require_recent_password(5)
@require_choice
def download_json(grant_id: UUID) -> ResponseReturnValue:
    """The same for programs."""
    actor, receipt = _receipt(grant_id)
    _record(actor, receipt, "json")
    return _attached(orjson.dumps(_as_json(receipt), option=orjson.OPT_INDENT_2), "application/json", "json")


def _receipt(grant_id: UUID) -> tuple[Actor, Receipt]:
    actor, grant = get_actor_and_grant(grant_id)
    every = decisions.of_grant(db_session(), grant)
    wanted = request.args.get("answer", grant.decision_id)
    decision = next((one for one in every if one.id == wanted), None)
    if decision is None:
        raise NotFoundPage
    connection = connections.of_grant(db_session(), actor.account, grant, settings().plan)
    story = story_of(connection, grant_changes.of_grant(db_session(), grant), actor.account)
    asked, granted = parse(decision.asked_scopes), parse(decision.granted_scopes)
    return actor, Receipt(
        connection=connection,
        decision=decision,
        words=decision.words,
        ticked=data_types.names(granted),
        sensitive=[str(kind.name) for kind in data_types.find_sensitive(decision.sensitive_classes)],
        duration=str(consent_words.DURATIONS[decision.duration]),
        online="online_access" in granted if "online_access" in asked else None,
        others=[one for one in every if one is not decision],
        story=story,
    )


def _record(actor: Actor, receipt: Receipt, form: str) -> None:
    audit.record(
        db_session(), "consent:receipt:download", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=actor.choice.link.id if actor.choice.link else None, client_id=receipt.decision.client_id,
        grant_id=receipt.connection.grant.id, detail={"decision": receipt.decision.id, "form": form},
    )  # fmt: skip


def _attached(body: bytes, kind: str, ending: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="receipt.{ending}"'}
    return Response(body, content_type=kind, headers=headers)


def _as_json(receipt: Receipt) -> dict[str, Any]:
    decision, grant = receipt.decision, receipt.connection.grant
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
        "grant": grant.id,
        "afterwards": [
            {"at": event.at.isoformat(), "what": event.what, "by": event.by} for event in reversed(receipt.story)
        ],
    }
