"""Case 166 for the provider portal and the staff console: who is shown a member's data has left a row, every time.

`TABLE` speaks of every address that shows members, `NOBODYS` says why the others show none; a new address is in
neither and fails the first test. An address without arguments is opened besides by whoever may: where a member's
name stands on the page there is a row, whatever `NOBODYS` says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from consent import representatives
from consent.models import (
    Answer,
    Basis,
    ConsentDecision,
    Duration,
    EndedBy,
    Grant,
    GrantStatus,
    RepresentativeLink,
)
from consent.request_models import RepresentativeEvidence
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import Member, PlanStaff, Remittance, StaffRole
from service.plan.remittances import remittance_files
from service.plan.staff import record_guards
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.attacks.looks import SECOND, WHY, look_at
from tests.factories import make_account, make_client, make_member, make_representative
from tests.plan.era import CLAIM, Interchange, transaction
from tests.plan.mailbox import file_of, write
from tests.provider.office import Office, billed
from tests.provider.test_eligibility import coverage
from tests.staff.console import make_clerk, make_office
from tests.staff.representing import Asking

CANARY = "Canary"
NOBODY = "5f0c7d1e-0000-4000-8000-000000000000"
_CLAIM = [CLAIM[0], "NM1*QC*1*CANARYBIRD*ANN****MI*MEM1", *CLAIM[2:]]


@dataclass
class World:
    """A member with a claim, a payment, a look, a mark, a request and a link about them; and who may see what."""

    member: Member
    people: dict[str, Visitor]
    ids: dict[str, str]

    def path(self, form: str) -> str:
        """An address with the ids of this world, or with nobody's."""
        return form.format_map(self.ids | {"patient": self.member.patient_id, "nobody": NOBODY})


@dataclass(frozen=True)
class Ask:
    """A request of one of the people, and the tag of the row that it leaves. `hits`: whether somebody is found."""

    who: str
    path: str
    tag: str
    form: Mapping[str, str] | None = None
    hits: bool = True


def _remittance(way: str, tag: str) -> tuple[Ask, ...]:
    return (Ask("office", f"/provider/remittances/{{remittance}}{way}", f"provider:remittance:{tag}"),)


_NUMBER = "member_number"
_EVIDENCE = "consent:representative_evidence"
_WHY = {"purpose": "treatment", "reason_text": "comes on Monday"}
_DAYS = {"since": "2020-01-01", "until": "2090-01-01", "reason": "a complaint"}
TABLE: Mapping[str, tuple[Ask, ...]] = {
    "provider_claims.index": (Ask("office", "/provider/claims", "provider:claim:search"),),
    "provider_claims.search": (
        Ask("office", "/provider/claims", "provider:member:lookup", {_NUMBER: "M-ANN"}),
        # Whoever is not on file is looked for only once a reason is given.
        Ask("office", "/provider/claims", "provider:member:lookup", _WHY | {_NUMBER: "M-NOBODY"}, hits=False),
    ),
    "provider_claims.claim": (
        Ask("office", "/provider/claims/a1", "provider:claim:read"),
        Ask("office", "/provider/claims/nobody", "provider:claim:read", hits=False),
    ),
    "provider_eligibility.check": tuple(
        Ask(
            "office", "/provider/eligibility", "provider:eligibility:lookup",
            _WHY | {_NUMBER: number, "birth_date": "1956-04-30", "service_date": "2026-03-01"}, hits,
        )
        for number, hits in (("M-ANN", True), ("M-NOBODY", False))
    ),
    "provider_remittances.show": _remittance("", "read"),
    "provider_remittances.as_pdf": _remittance("/pdf", "download"),
    "provider_remittances.as_csv": _remittance("/csv", "download"),
    "provider_remittances.as_835": _remittance("/835", "download"),
    "provider_remittances.as_fhir": _remittance("/fhir", "download"),
    "provider_mailbox.thread": (Ask("mailing office", "/provider/mailbox/{thread}", "provider:message_thread:read"),),
    "provider_mailbox.attachment": (
        Ask("mailing office", "/provider/mailbox/{thread}/files/{file}", "plan:message_attachment:download"),
    ),
    "staff_mailbox.thread": (Ask("provider services", "/staff/mailbox/{thread}", "plan:message_thread:read"),),
    "staff_mailbox.attachment": (
        Ask("provider services", "/staff/mailbox/{thread}/files/{file}", "plan:message_attachment:download"),
    ),
    "staff_members.look_up": (
        Ask("services", "/staff/members/", "staff:member:lookup", {_NUMBER: "M-ANN"}),
        Ask("services", "/staff/members/", "staff:member:lookup", {_NUMBER: "M-NOBODY"}, hits=False),
    ),
    "staff_members.ask": (
        Ask("services", "/staff/members/of/{patient}", "staff:member:ask"),
        Ask("services", "/staff/members/of/nobody", "staff:member:ask", hits=False),
    ),
    "staff_members.begin": (
        Ask("services", "/staff/members/of/{patient}", "staff:member:look", WHY | {"guard": SECOND}),
    ),
    "staff_member_view.show": (Ask("services", "{look}", "staff:member:view"),),
    "staff_password_links.of_member": (
        Ask("services", "/staff/password-links/member/{look_id}", "staff:member:view"),
    ),
    "staff_factor_resets.of_member": (
        Ask("services", "/staff/factor-resets/member/{look_id}", "staff:member:view"),
    ),
    "staff_pause_lifts.ask": (Ask("services", "/staff/pause-lifts/{look_id}/{held}", "staff:member:view"),),
    "staff_representatives.index": (
        Ask("services", "/staff/representatives/", "staff:representative_request:list"),
    ),
    "staff_representatives.show": (
        Ask("services", "/staff/representatives/{request}", "staff:representative_request:open"),
    ),
    "staff_representatives.file": (
        Ask("services", "/staff/representatives/{request}/files/{evidence}", f"{_EVIDENCE}:download"),
    ),
    "staff_representative_links.index": (
        Ask("officer", "/staff/representative-links/", "staff:safety_block:list"),
    ),
    "staff_representative_links.look_up": (
        Ask("services", "/staff/representative-links/", "staff:member:lookup", {_NUMBER: "M-FREE"}),
        Ask("services", "/staff/representative-links/", "staff:member:lookup", {_NUMBER: "M-NOBODY"}, hits=False),
    ),
    "staff_second_looks.index": (Ask("services", "/staff/second-looks/", "staff:second_look:list"),),
    "staff_break_glass.index": (Ask("officer", "/staff/break-glass/", "staff:break_glass:list"),),
    "staff_protected.index": (Ask("officer", "/staff/protected-records/", "staff:protected_record:list"),),
    "staff_protected.protect": (
        Ask("officer", "/staff/protected-records/", "staff:protected_record:mark",
            {_NUMBER: "M-NOBODY", "reason": "In the public eye"}, hits=False),
    ),
    "staff_disclosures.look_up": (
        Ask("officer", "/staff/reports/disclosures/", "plan:disclosure:lookup", {_NUMBER: "M-ANN"}),
        Ask("officer", "/staff/reports/disclosures/", "plan:disclosure:lookup", {_NUMBER: "M-NOBODY"}, hits=False),
    ),
    "staff_disclosures.show": (
        Ask("officer", "/staff/reports/disclosures/of/{patient}", "plan:disclosure:account"),
        Ask("officer", "/staff/reports/disclosures/of/{patient}?format=csv", "plan:disclosure:account"),
    ),
    "staff_audit.search": (
        Ask("officer", "/staff/audit/", "audit:event:search", _DAYS | {_NUMBER: "M-ANN"}),
    ),
}  # fmt: skip
_STEP = "a step that leaves the row of its deed and answers by sending on"
_FORM = "a form to fill in, or the plan's own words"
_OFFICES = "offices, logins, apps and payments in sum; no member"
_TURNED_BACK = "shows the page of another address again, which leaves that one's row"
NOBODYS: Mapping[str, str] = {
    "provider_remittances.index": _OFFICES, "provider_remittances.search": _OFFICES,
    "provider_eligibility.index": _FORM, "provider_home": _FORM, "provider_public": _FORM, "provider_help": _FORM,
    "provider_registration": _FORM, "provider_contact": _FORM, "provider_going_back": _STEP,
    "provider_not_listed": _FORM, "provider_terms": _FORM, "provider_validation": _FORM,
    "provider_access": _OFFICES, "provider_clients": _OFFICES, "provider_permissions": _OFFICES,
    "provider_authorization": _OFFICES, "provider_accounts": _OFFICES, "provider_delegates": _OFFICES,
    "provider_invitations": _OFFICES, "provider_profiles": _OFFICES, "provider_profile": _OFFICES,
    "provider_mailbox.index": "subjects of one's own threads", "provider_mailbox.compose": _FORM,
    "provider_mailbox.send": _STEP, "provider_mailbox.reply": _TURNED_BACK,
    "staff_home": _OFFICES, "staff_mailbox.index": "subjects of threads of offices",
    "staff_mailbox.answer": _TURNED_BACK, "staff_mailbox.assign": _TURNED_BACK, "staff_mailbox.close": _STEP,
    "staff_mailbox.reopen": _STEP,
    "staff_app_reviews": _OFFICES, "staff_app_standing": _OFFICES, "staff_developer_organizations": _OFFICES,
    "staff_users": _OFFICES, "staff_not_listed": _OFFICES, "staff_hand_overs": _OFFICES, "staff_letters": _OFFICES,
    "staff_authorizations": _OFFICES, "staff_remittances": _OFFICES, "staff_profiles": _OFFICES,
    "staff_members.index": _FORM, "staff_member_view.close": _STEP,
    "staff_password_links.send_to_member": _STEP, "staff_password_links.of_login": _OFFICES,
    "staff_password_links.send_to_login": _OFFICES, "staff_factor_resets.of_login": _OFFICES,
    "staff_representatives.new": _FORM, "staff_representatives.enter": _STEP,
    "staff_representatives.match": _TURNED_BACK, "staff_representatives.check": _STEP,
    "staff_representatives.ask": _TURNED_BACK, "staff_representatives.refuse": _TURNED_BACK,
    "staff_representatives.propose": _TURNED_BACK,
    "staff_representative_links.end": _STEP, "staff_representative_links.limit": _STEP,
    "staff_representative_links.block": _STEP, "staff_representative_links.confirm": _STEP,
    "staff_representative_links.lift": _STEP,
    "staff_representative_links.letter": "a letter to the representative, on record as taken",
    "staff_representative_links.renew": _STEP,
    "staff_second_looks.approve": _STEP, "staff_second_looks.refuse": _TURNED_BACK,
    "staff_break_glass.review": _STEP, "staff_protected.lift": _TURNED_BACK,
    "staff_disclosures.index": _FORM, "staff_disclosures.record": _TURNED_BACK,
    "staff_reports": "numbers of the whole plan", "staff_data_freshness": "numbers of the whole plan",
    "staff_audit.index": _FORM, "staff_self_test": "the plan's own server",
    "staff_factor_resets.of_developer": _OFFICES, "staff_factor_resets.of_colleague": _OFFICES,
    "staff_colleagues": "the plan's own people", "staff_plan_texts": _FORM,
}  # fmt: skip
"""By endpoint, or by blueprint: why there is nobody's data."""


@pytest.fixture
def world(app: Flask, session: Session, settings: Settings, tmp_path: Path) -> World:
    """The member and everybody who may be shown them."""
    office = Office(app, session)
    mine = office.group("mine", tax_id="071234501", npi="2900179195")
    office.member("ann", family_name=CANARY, given_name="Ann")
    office.load(billed("a1", "ann", mine), coverage("ann"))
    remittance_files.load_file(session, Interchange([transaction(*_CLAIM)]).write(tmp_path))
    clinic = office.browser(office.login(mine))
    session.commit()
    asking = Asking.begin(app, session)
    asking.send()
    member = session.scalars(select(Member).where(Member.patient_id == "ann")).one()
    make_account(session, member=member)
    free = make_member(session, member_number="M-FREE", family_name=CANARY)
    link = representatives.link(
        session, make_representative(session, make_account(session)), free, basis=Basis.PERMISSION,
        timezone=settings.plan.timezone,
    )  # fmt: skip
    services = make_clerk(app, session, StaffRole.MEMBER_SERVICES)
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    marking = session.get_one(PlanStaff, officer.staff.id)
    record_guards.protect(session, session.get_one(Member, member.id), by=marking, reason="In the public eye")
    representatives.block(
        session, session.get_one(RepresentativeLink, link.id), by_account_id=services.account.id, reason="Violence"
    )
    session.commit()
    look = look_at(services, member, guard=SECOND)
    asking.propose(services)
    mailing = make_office(app, session)
    thread = write(session, settings, mailing.staff, **{"a.txt": b"private words"})
    file = file_of(session, thread)
    request = asking.request()
    evidence = session.scalars(select(RepresentativeEvidence.id)).first()
    assert evidence is not None
    ids = {
        "remittance": session.scalars(select(Remittance.id)).one(), "thread": thread.id, "file": file.id, "look": look,
        "look_id": look.rpartition("/")[2], "request": request.id, "evidence": evidence,
        "held": _held(session, settings, member),
    }  # fmt: skip
    people = {
        "office": clinic, "mailing office": mailing.browser, "services": services.browser, "officer": officer.browser,
        "provider services": make_clerk(app, session, StaffRole.PROVIDER_SERVICES).browser,
    }  # fmt: skip
    session.expunge_all()
    session.commit()
    return World(member, people, ids)


def _held(session: Session, settings: Settings, member: Member) -> str:
    """The id of a representative's grant that the member has paused."""
    given = make_representative(session, make_account(session))
    link = representatives.link(
        session, given, session.get_one(Member, member.id), basis=Basis.PERMISSION, timezone=settings.plan.timezone
    )
    whose = {
        "account_id": given.account_id, "member_id": member.id, "link_id": link.id,
        "client_id": make_client(session, settings), "duration": Duration.THREE_MONTHS, "offline": False,
        "sensitive_classes": [],
    }  # fmt: skip
    decision = ConsentDecision(
        at=now(), answer=Answer.ALLOW, client_version=1, asked_scopes="", granted_scopes="", language="en",
        text_version="1", words={}, **whose,
    )  # fmt: skip
    session.add(decision)
    session.flush()
    grant = Grant(
        decision_id=decision.id, link_version=link.version, scopes="", status=GrantStatus.PAUSED, created_at=now(),
        expires_at=now() + timedelta(days=90), paused_at=now(), paused_by=EndedBy.MEMBER, **whose,
    )  # fmt: skip
    session.add(grant)
    session.commit()
    return grant.id


def _rules(app: Flask) -> Iterator[Rule]:
    for rule in app.url_map.iter_rules():
        if app.blueprints.get(rule.endpoint.partition(".")[0]) and rule.rule.startswith(("/provider", "/staff")):
            yield rule


def test_case_166_every_address_of_portal_and_console_is_spoken_of(app: Flask) -> None:
    every = {rule.endpoint for rule in _rules(app)}
    unspoken = {one for one in every - set(TABLE) if not {one, one.partition(".")[0]} & NOBODYS.keys()}
    assert not unspoken, "say in TABLE what row is left, or in NOBODYS why nobody is shown"
    gone = {one for one in (*TABLE, *NOBODYS) if not any(one in {name, name.partition(".")[0]} for name in every)}
    assert not gone and not set(TABLE) & set(NOBODYS)


def test_case_166_whoever_is_shown_a_member_has_left_a_row_and_so_has_who_found_none(
    world: World, session: Session
) -> None:
    wrong: list[tuple[Any, ...]] = []
    for endpoint, asks in TABLE.items():
        for ask in asks:
            browser, path = world.people[ask.who], world.path(ask.path)
            if ask.form is not None:
                browser.get(path)
            rows, answer = _rows_of(session, browser, path, ask.form)
            told = [row for row in rows if row.tag == ask.tag]
            own = all(row.account_id and row.ip and row.request_id for row in told)
            if len(told) != 1 or not own or (ask.hits and answer.status_code >= 400):
                wrong.append((endpoint, path, answer.status_code, [(row.tag, row.outcome) for row in rows]))
            if not ask.hits and len(rows) == 1 and CANARY.upper() in answer.text.upper():
                wrong.append((endpoint, path, "names somebody"))
    assert not wrong


def test_case_166_no_page_names_a_member_without_a_row(app: Flask, world: World, session: Session) -> None:
    silent, named = [], set()
    for rule in _rules(app):
        if rule.arguments or "GET" not in (rule.methods or ()):
            continue
        for who, browser in world.people.items():
            rows, answer = _rows_of(session, browser, rule.rule, None)
            if answer.status_code == 200 and CANARY.upper() in answer.text.upper():
                named.add(rule.endpoint)
                silent += [] if rows else [(rule.endpoint, who)]
    assert not silent
    assert named >= {
        "provider_claims.index", "staff_representatives.index", "staff_second_looks.index", "staff_break_glass.index",
        "staff_protected.index", "staff_representative_links.index",
    }  # fmt: skip


def _rows_of(
    session: Session, browser: Visitor, path: str, form: Mapping[str, str] | None
) -> tuple[list[AuditEvent], Any]:
    last = session.scalar(select(func.max(AuditEvent.id))) or 0
    session.commit()
    answer = browser.get(path) if form is None else browser.post(path, **form)
    rows = list(session.scalars(select(AuditEvent).where(AuditEvent.id > last)))
    session.expunge_all()
    session.commit()
    return rows, answer
