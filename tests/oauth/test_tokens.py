"""The check of a token: every thing it hangs from matters, and both databases see the same."""

from typing import Any

import pytest

from consent import representatives
from consent.models import Basis, EndedBy, GrantStatus, LinkScope, RepresentativeLink
from oauth import statements
from oauth.models import ClientStatus, FamilyEnd
from oauth.statements import TokenFacts, find_token
from oauth.tokens import token_rows
from oauth.tokens.protector import (
    InsufficientScope,
    InvalidToken,
    MissingToken,
    TokenInQuery,
    TokenProblem,
    access_for_request,
)
from service import web
from service.accounts.models import AccountStatus
from service.clock import now
from service.db import digest, microseconds
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative
from tests.oauth.desk import Desk

HOUR = 3_600_000_000


def facts_of(desk: Desk, access_token: str) -> TokenFacts:
    """What the statement finds."""
    with desk.session() as session:
        found = find_token(session, digest(access_token))
        assert found
        return found


def connect_representative(desk: Desk) -> tuple[str, str]:
    """An access token of a representative, and the id of the link."""
    with desk.session() as session:
        child = make_member(session)
        account = make_account(session, member=make_member(session))
        link = representatives.link(
            session, make_representative(session, account), child, basis=Basis.GUARDIAN,
            timezone=desk.settings.plan.timezone,
        )  # fmt: skip
        link_id = link.id
    body = desk.connect(desk.register(), account=account, member=child)
    return body["access_token"], link_id


def test_each_leg_of_a_token_matters(desk: Desk) -> None:
    found, at = facts_of(desk, desk.connect(desk.register())["access_token"]), microseconds(now())
    assert token_rows.stands(found, at)
    fallen = {
        "expires_at": at, "ended_at": at, "grant_version": found.grant_version + 1, "created_at": at + HOUR,
        "family_ended_at": at, "grant_current_version": 9, "grant_status": GrantStatus.PAUSED.value,
        "grant_ended_at": at, "grant_expires_at": at, "account_status": AccountStatus.DISABLED.value,
        "account_member_id": None, "client_status": ClientStatus.SUSPENDED.value,
    }  # fmt: skip
    for name, value in fallen.items():
        assert not token_rows.stands(found._replace(**{name: value}), at), name


def test_each_leg_of_a_representatives_right_matters(desk: Desk) -> None:
    found, at = facts_of(desk, connect_representative(desk)[0]), microseconds(now())
    assert token_rows.stands(found, at)
    fallen = {
        "representative_account_id": None, "link_version": 9, "link_ended_at": at, "link_safety_block": True,
        "link_valid_from": at + 1, "link_valid_until": at, "member_deceased_on": now().date(),
        "link_basis": Basis.EXECUTOR.value,
    }  # fmt: skip
    for name, value in fallen.items():
        assert not token_rows.stands(found._replace(**{name: value}), at), name


def test_ending_or_limiting_a_link_ends_its_tokens_at_once(desk: Desk) -> None:
    ended, ended_link = connect_representative(desk)
    limited, limited_link = connect_representative(desk)
    blocked, blocked_link = connect_representative(desk)
    untouched, _ = connect_representative(desk)
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, ended_link), by=EndedBy.PLAN)
        link = session.get_one(RepresentativeLink, limited_link)
        representatives.limit(session, link, LinkScope.CLAIMS_ONLY, by_account_id=None)
        representatives.block(session, session.get_one(RepresentativeLink, blocked_link), by_account_id=None)
    assert [desk.works(token) for token in (ended, limited, blocked, untouched)] == [False, False, False, True]


def test_what_has_ended_keeps_the_moment_and_the_reason_of_its_first_end(desk: Desk, clock: MovableClock) -> None:
    raw = desk.connect(desk.register())["access_token"]
    ended, kept = [], []
    for reason in (FamilyEnd.REFRESH_REUSED, FamilyEnd.REVOKED_BY_APP):
        with desk.session() as session:
            token, family = token_rows.find_access_token(session, raw) or pytest.fail("unknown")
            ended.append(token_rows.end_family(session, family.id, reason))
            token_rows.end_access_token(token)
            session.flush()
            session.expire_all()
            kept.append((token.ended_at, family.ended_at, family.end_reason))
        clock.advance(60)

    assert ended == [True, False]
    assert kept[0] == kept[1] and kept[0][2] is FamilyEnd.REFRESH_REUSED and None not in kept[0]


def test_the_statement_and_its_fields_keep_the_same_order() -> None:
    columns = [column.strip() for column in statements._COLUMNS.replace("\n", " ").split(",")]
    assert len(columns) == len(TokenFacts._fields)
    for column, field in zip(columns, TokenFacts._fields, strict=True):
        name = column.split(".")[1].removeprefix("link_").removesuffix(" AS TEXT)")
        assert field.endswith(name) or column == "g.version", (column, field)


def test_what_the_statement_finds_is_what_the_tables_hold(desk: Desk) -> None:
    app = desk.register()
    body = desk.connect(app)
    found = facts_of(desk, body["access_token"])
    assert (found.account_id, found.member_id, found.client_id) == (desk.account.id, desk.member.id, app.id)
    assert found.patient_id == desk.member.patient_id and found.sensitive_classes == "[]"
    assert found.grant_status == "active" and found.account_status == "active" and found.client_status == "approved"
    assert found.link_id is None and found.scope == body["scope"]
    assert abs(found.expires_at - found.created_at - HOUR) < 1_000_000


def test_the_token_is_read_from_the_header_only(desk: Desk) -> None:
    token = desk.connect(desk.register())["access_token"]
    bearer = {"headers": {"Authorization": f"Bearer {token}"}}
    in_query = {"query_string": {"access_token": token}}
    cases: list[tuple[dict[str, Any], type[TokenProblem] | None]] = [
        (bearer, None), ({"headers": {"Authorization": f"bearer {token}"}}, None), ({}, MissingToken),
        ({"headers": {"Authorization": f"Basic {token}"}}, MissingToken), (in_query, TokenInQuery),
        ({"data": {"access_token": token}}, MissingToken), (bearer | in_query, TokenInQuery),
        ({"headers": {"Authorization": "Bearer"}}, InvalidToken),
        ({"headers": {"Authorization": "Bearer x y"}}, InvalidToken),
        ({"headers": {"Authorization": f"Bearer {token}x"}}, InvalidToken),
        ({"headers": {"Authorization": f"Bearer {token.swapcase()}"}}, InvalidToken),
        ({"headers": {"Authorization": "Bearer " + "x" * 9000}}, InvalidToken),
    ]  # fmt: skip
    for given, problem in cases:
        with desk.app.test_request_context("/fhir/r4/Patient", method="POST" if "data" in given else "GET", **given):
            if problem is None:
                access = access_for_request(web.db_session())
                assert access.patient_id == desk.member.patient_id and access.permits("Coverage", "r")
            else:
                with pytest.raises(problem):
                    access_for_request(web.db_session())


def test_a_token_in_the_address_is_refused_alike_everywhere(desk: Desk) -> None:
    """OA-39 wants 401, with which go `invalid_token` (OA-40) and an issue that says to send it otherwise."""
    token = desk.connect(desk.register())["access_token"]
    client = desk.app.test_client()
    for path in ("/fhir/r4/Patient", "/oauth/userinfo"):
        refused = client.get(f"{path}?access_token={token}")
        assert refused.status_code == 401 and 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        told = refused.get_json()
        assert told.get("error", "invalid_token") == "invalid_token"
        assert [one["code"] for one in told.get("issue", [])] in ([], ["login"])


def test_challenges_follow_rfc_6750() -> None:
    assert MissingToken().challenge() == 'Bearer realm="fhir"' and MissingToken().status == 401
    assert 'error="invalid_token"' in InvalidToken().challenge() and InvalidToken().status == 401
    problem = InsufficientScope('patient/Coverage.rs"\r\nX: y')
    assert problem.status == 403 and 'scope="patient/Coverage.rsX: y"' in problem.challenge()
