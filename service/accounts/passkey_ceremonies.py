"""The two ceremonies of WebAuthn (Level 2 §7): a passkey is made, a passkey is shown; no table is touched but claims.

The challenge travels sealed in the page's form, bound to the ceremony and to who was asked, for five minutes, and is
claimed at the first answer, right or wrong. Every answer must come from our origin, for our host, from a device that
has checked the person itself (user verification).
"""

import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.webauthn import (
    Aaguid,
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from sqlalchemy.orm import Session

from service import single_use
from service.accounts.models import Account, Passkey
from service.accounts.passkey_answers import Made, NoPasskeysHere, QuestionOver, Shown, WrongAnswer
from service.clock import now
from service.db import digest
from service.sealing import NotSealed, seal, unseal
from service.settings import Settings

LIFE = timedelta(minutes=5)
# A clock set back by hours must still meet the claim.
_CLAIM_KEPT = timedelta(days=2)
_PURPOSE, _CLAIM = "passkey-question", "passkey-challenge"
_VERIFY = UserVerificationRequirement.REQUIRED
_LONGEST_ID = 1_023
# What the library raises over bytes that are not what they should be.
_UNREADABLE = (
    ValueError, KeyError, TypeError, IndexError, AttributeError, AssertionError, OverflowError, RecursionError,
    struct.error, InvalidSignature, UnsupportedAlgorithm,
)  # fmt: skip


class Ceremony(StrEnum):
    """What a question asks for; an answer to one is none to another."""

    MAKE = "make"
    SHOW = "show"


def ask_to_make(settings: Settings, account: Account, held: Sequence[Passkey], *, bound_to: str) -> dict[str, Any]:
    """The options for `navigator.credentials.create`, with the sealed question; `held` are not made a second time."""
    user = PublicKeyCredentialUserEntity(
        id=account.id.encode(), name=account.username, display_name=account.full_name
    )  # fmt: skip
    options, state = _server(settings).register_begin(
        user, [_descriptor(one) for one in held], ResidentKeyRequirement.PREFERRED, _VERIFY
    )
    return {**dict(options), "question": _sealed(settings, Ceremony.MAKE, bound_to, state)}


def ask_to_show(settings: Settings, held: Sequence[Passkey], *, bound_to: str) -> dict[str, Any]:
    """The options for `navigator.credentials.get`; with none held, any passkey that the device keeps for this host."""
    options, state = _server(settings).authenticate_begin([_descriptor(one) for one in held] or None, _VERIFY)
    return {**dict(options), "question": _sealed(settings, Ceremony.SHOW, bound_to, state)}


def read_made(session: Session, settings: Settings, question: str, answer: str, *, bound_to: str) -> Made:
    """The passkey that was made; raises QuestionOver or WrongAnswer. The question is used up either way."""
    state = _open(session, settings, Ceremony.MAKE, question, bound_to)
    try:
        response = RegistrationResponse.from_dict(json.loads(answer))
        data = _server(settings).register_complete(state, response).credential_data
    except _UNREADABLE:
        raise WrongAnswer from None
    known = CoseKey.supported_algorithms()
    if data is None or data.public_key.get(3) not in known or not 0 < len(data.credential_id) <= _LONGEST_ID:
        raise WrongAnswer
    counter = response.response.attestation_object.auth_data.counter
    return Made(data.credential_id, cbor.encode(data.public_key), counter, _transports(json.loads(answer)))


def read_shown(session: Session, settings: Settings, question: str, answer: str, *, bound_to: str) -> Shown:
    """What the answer claims; raises QuestionOver or WrongAnswer. The question is used up either way."""
    state = _open(session, settings, Ceremony.SHOW, question, bound_to)
    try:
        response = AuthenticationResponse.from_dict(json.loads(answer))
        return Shown(response.raw_id, response.response.user_handle, state, response)
    except _UNREADABLE:
        raise WrongAnswer from None


def prove(settings: Settings, shown: Shown, held: Passkey) -> None:
    """Whether the passkey's other half signed the answer, for us, with its person checked; raises WrongAnswer."""
    try:
        key = CoseKey.parse(cbor.decode(held.public_key))  # type: ignore[arg-type]  # what `read_made` encoded
        data = AttestedCredentialData.create(Aaguid.NONE, held.credential_id, key)
        _server(settings).authenticate_complete(shown.state, [data], shown.response)
    except _UNREADABLE:
        raise WrongAnswer from None


def _server(settings: Settings) -> Fido2Server:
    host = settings.passkey_host
    if host is None:
        raise NoPasskeysHere
    # Compared whole: the library's own rule takes every port, and hosts below ours.
    return Fido2Server(
        PublicKeyCredentialRpEntity(id=host, name=settings.plan.name), AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin == settings.base_url,
    )  # fmt: skip


def _descriptor(held: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(
        type=PublicKeyCredentialType.PUBLIC_KEY, id=held.credential_id,
        transports=[AuthenticatorTransport(way) for way in held.transports.split()] or None,
    )  # fmt: skip


def _sealed(settings: Settings, ceremony: Ceremony, bound_to: str, state: Mapping[str, Any]) -> str:
    until = (now() + LIFE).timestamp()
    held = {"of": ceremony, "bound": bound_to, "until": until, "challenge": state["challenge"]}
    return seal(settings.secret_key, _PURPOSE, json.dumps(held))


def _open(session: Session, settings: Settings, ceremony: Ceremony, question: str, bound_to: str) -> dict[str, Any]:
    try:
        held = json.loads(unseal(settings.secret_key, _PURPOSE, question))
    except NotSealed:
        raise QuestionOver from None
    if held["of"] != ceremony or held["bound"] != bound_to or held["until"] <= now().timestamp():
        raise QuestionOver
    over = datetime.fromtimestamp(held["until"], UTC) + _CLAIM_KEPT
    if not single_use.claim(session, _CLAIM, digest(held["challenge"]), expires_at=over):
        raise QuestionOver
    return {"challenge": held["challenge"], "user_verification": _VERIFY}


def _transports(answer: dict[str, Any]) -> str:
    # Words not known are left out: the browser then only looks around a little longer.
    told = answer["response"].get("transports")
    known = {way.value for way in AuthenticatorTransport}
    return " ".join(sorted(known & {word for word in told if isinstance(word, str)})) if isinstance(told, list) else ""
