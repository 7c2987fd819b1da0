"""Launching an app from the portal with its member in context (SMART App Launch 2.2, EHR launch; SMART-13, SMART-14).

`begin` makes the address that the person's browser is sent to. The app comes back to the authorization endpoint with
the handle in it, which stands for one member, one account, one app and one login session, once and for five minutes.
"""

import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from consent.representatives import MemberChoice
from oauth.apps import clients, redirects
from oauth.errors import InvalidRequest
from oauth.models import Client, ClientStatus, LaunchHandle
from oauth.tokens import token_rows
from oauth.trials.checks import Check, because
from service import audit, single_use, web
from service.accounts.models import Account
from service.accounts.sessions import Login
from service.clock import now
from service.db import digest

LIFE = timedelta(minutes=5)


class NotLaunchable(Exception):
    """The app is not approved, may not ask for the scope `launch`, or has no such launch address."""


def begin(
    session: Session, client_id: str, account: Account, choice: MemberChoice, login: Login, *,
    launch_uri: str | None = None, shows_member: bool = False,
) -> str:  # fmt: skip
    """The address that opens the app for the member of `choice`: its launch address with `iss` and `launch`.

    `launch_uri` is one of those registered, the first of them by default. `shows_member` says that the app opens inside
    a page of ours that goes on showing the member's name: only then it needs no banner of its own. Raises
    NotLaunchable.
    """
    client = _launchable(session, client_id)
    address = launch_uri if launch_uri is not None else client.launch_uris[0]
    if address not in client.launch_uris:
        raise NotLaunchable
    raw, at = secrets.token_urlsafe(32), now()
    session.add(
        LaunchHandle(
            hash=digest(raw), client_id=client.id, account_id=account.id, login_session_id=login.session.id,
            member_id=choice.member.id, need_patient_banner=not shows_member, created_at=at, expires_at=at + LIFE,
        )
    )  # fmt: skip
    session.flush()
    audit.record(
        session, "oauth:launch:begin", account_id=account.id, member_id=choice.member.id,
        link_id=choice.link.id if choice.link else None, client_id=client.id,
    )  # fmt: skip
    return redirects.with_parameters(address, iss=web.settings().fhir_base, launch=raw)


def get(session: Session, client: Client, raw: str) -> LaunchHandle:
    """The handle, still unspent; raises InvalidRequest when it is unknown, over, spent, or another app's."""
    found = session.scalar(select(LaunchHandle).where(LaunchHandle.hash == digest(raw), *_usable(client)))
    if found is None:
        raise because(Check.LAUNCH, InvalidRequest())
    return found


def spend(session: Session, client: Client, handle: LaunchHandle) -> None:
    """Use the handle up; raises InvalidRequest when another request did so first."""
    if not single_use.spend(session, LaunchHandle, LaunchHandle.hash == handle.hash, *_usable(client)):
        raise because(Check.LAUNCH, InvalidRequest())


def _launchable(session: Session, client_id: str) -> Client:
    client = clients.find(session, client_id)
    if client is None or client.status is not ClientStatus.APPROVED or not client.launch_uris:
        raise NotLaunchable
    if "launch" not in client.scopes.split():
        raise NotLaunchable
    return client


def _usable(client: Client) -> tuple[ColumnElement[bool], ...]:
    at = now()
    # Made no later than now: a clock set back revives nothing.
    return (
        LaunchHandle.client_id == client.id,
        LaunchHandle.spent_at.is_(None),
        LaunchHandle.created_at <= at + token_rows.CLOCK_SKEW,
        LaunchHandle.expires_at > at,
    )
