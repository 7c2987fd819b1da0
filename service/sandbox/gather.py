"""Gathers what stands in the hand-out from the database: sign-ins, whom they act for, apps, people left to register."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import PersonalRepresentative
from consent.representatives import MemberChoice, members_for
from oauth.apps import clients
from oauth.apps.clients import AuthMethod, ClientView
from service.accounts.authentication import find_by_username
from service.accounts.models import Account
from service.databases.connections import PoolLimits
from service.db import make_engine, make_sessions
from service.plan.models import Member
from service.sandbox import (
    app_developers,
    backend_apps,
    gather_portal,
    handout,
    member_lists,
    remittances,
    representative_requests,
    sample_keys,
)
from service.sandbox.handout import HandOut
from service.sandbox.sample_apps import SAMPLE_APPS, SampleApp, demo_address, follow_address, secret_of
from service.sandbox.sign_ins import PASSWORD, SELF_TEST, SIGN_INS, SignIn
from service.settings import Settings

_WITHOUT_ACCOUNT = 5


def write_for(settings: Settings) -> Path:
    """Write the hand-out of the database of `settings`, for the address it has now."""
    engine = make_engine(settings.database_url, PoolLimits(1))
    try:
        with make_sessions(engine).begin() as session:
            follow_address(session, settings)
            return handout.write(settings, _gather(session, settings))
    finally:
        engine.dispose()


def _gather(session: Session, settings: Settings) -> HandOut:
    accounts = [account for sign_in in SIGN_INS if (account := _account(session, sign_in))]
    return {
        "plan": settings.plan.name,
        "base_url": settings.base_url,
        "fhir_base": settings.fhir_base,
        "mail": f"{settings.base_url}/sandbox/mail",
        "demo_app": demo_address(settings),
        "accounts": [
            *accounts,
            *gather_portal.accounts(session, settings),
            app_developers.account(session),
        ],
        "self_test_account": SELF_TEST if any(one["username"] == SELF_TEST for one in accounts) else None,
        "clients": [
            *(_client(clients.get(session, app.client_id), app, settings) for app in SAMPLE_APPS),
            *backend_apps.hand_out(session, settings),
        ],
        "groups": member_lists.to_hand_out(session),
        "registrations": _registrations(session),
        "representative_requests": representative_requests.to_hand_out(session),
        "remittances": remittances.to_hand_out(session),
        "provider_proofs": gather_portal.proofs(session),
        "protected_records": gather_portal.protected_records(session),
    }


def _account(session: Session, sign_in: SignIn) -> HandOut | None:
    account = find_by_username(session, sign_in.username)
    if account is None:
        return None
    number = _representative_number(session, account.id)
    return {
        "kind": sign_in.kind.value,
        "username": account.username,
        "password": PASSWORD,
        "email": account.email,
        "name": account.full_name,
        "good_for": sign_in.good_for,
        **({"personal_representative_id": number} if number else {}),
        "members": [_member(choice) for choice in members_for(session, account)],
    }


def _representative_number(session: Session, account_id: str) -> str | None:
    found = PersonalRepresentative.account_id == account_id
    return session.scalar(select(PersonalRepresentative.number).where(found))


def _member(choice: MemberChoice) -> HandOut:
    return {
        "name": choice.member.full_name,
        "fhir_id": choice.member.patient_id,
        "relation": choice.link.basis.value if choice.link else "self",
    }


def _client(view: ClientView, app: SampleApp, settings: Settings) -> HandOut:
    secret = secret_of(app, settings)
    return {
        "client_id": view.id,
        **({"client_secret": secret} if secret else {}),
        **({"private_jwk": sample_keys.private_jwk(view.id, settings)} if _is_keyed(view) else {}),
        "name": view.name,
        "kind": view.kind.value,
        "token_endpoint_auth_method": view.token_endpoint_auth_method.value,
        "redirect_uris": list(view.redirect_uris),
        "launch_uris": list(view.launch_uris),
        "scopes": view.scopes,
        "attestation": view.attestation.value,
    }


def _is_keyed(view: ClientView) -> bool:
    return view.token_endpoint_auth_method is AuthMethod.PRIVATE_KEY


def _registrations(session: Session) -> HandOut:
    """People of the roster who have no account yet: what they would type to register."""
    taken = select(Account.id).where(Account.member_id == Member.id).exists()
    free = select(Member).where(~taken, Member.deceased_on.is_(None))
    members = session.scalars(free.order_by(Member.birth_date).limit(_WITHOUT_ACCOUNT))
    waiting = select(PersonalRepresentative).where(
        PersonalRepresentative.account_id.is_(None), PersonalRepresentative.number.is_not(None)
    )
    people = session.scalars(waiting.order_by(PersonalRepresentative.number).limit(_WITHOUT_ACCOUNT))
    return {
        "members": [
            {
                "name": member.full_name,
                "member_number": member.member_number,
                "family_name": member.family_name,
                "birth_date": member.birth_date.isoformat(),
                "zip_code": member.zip_code,
                "fhir_id": member.patient_id,
            }
            for member in members
        ],
        "personal_representatives": [
            {
                "name": person.full_name,
                "personal_representative_id": person.number,
                "family_name": person.family_name,
                "birth_date": person.birth_date.isoformat(),
            }
            for person in people
        ],
    }
