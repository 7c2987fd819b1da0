"""Who has looked, as members read it and as the audit keeps it, where programs without a person read and copy."""

import re
from dataclasses import dataclass

from sqlalchemy import Engine, select

from service.accounts.models import Account
from service.audit import AuditEvent, AuditSubject
from service.db import make_sessions
from service.plan.models import Member
from tests.member.pages import Reader
from tests.oauth.desk import Desk

NOBODY = "Nobody has looked at your information."
AUDIT_SCOPE = "openid offline_access patient/AuditEvent.rs patient/Patient.r patient/Coverage.rs"


@dataclass
class People:
    """Two members with records, one without, and what each reads of who has looked."""

    desk: Desk
    rosa: Account
    omar: Account
    nora: Account

    def page(self, account: Account, language: str = "en") -> str:
        """The page Who has looked of one of them, as the lines that people read."""
        answer = Reader(self.desk, account).get(f"/who-has-looked?lang={language}")
        assert answer.status_code == 200
        told = re.sub(r"<[^>]+>", " ", answer.text.partition("<h1")[2].partition("ls-ways")[0])
        return re.sub(r"\s+", " ", told)


def looks(engine: Engine) -> list[AuditEvent]:
    """What programs were told, in order."""
    told = (AuditEvent.tag.startswith("fhir:"), AuditEvent.client_id.is_not(None), AuditEvent.grant_id.is_(None))
    with make_sessions(engine)() as session:
        return list(session.scalars(select(AuditEvent).where(*told).order_by(AuditEvent.id)))


def subjects(engine: Engine, *events: AuditEvent) -> dict[tuple[str, str], int | None]:
    """Whom events were about among others, with the type and how many."""
    wanted = select(AuditSubject).where(AuditSubject.event_id.in_([event.id for event in events]))
    with make_sessions(engine)() as session:
        return {(one.member_id, one.resource_type): one.count for one in session.scalars(wanted)}


def patient_of(engine: Engine, account: Account) -> str:
    """The id of an account's own Patient."""
    with make_sessions(engine)() as session:
        return session.get_one(Member, account.member_id).patient_id
