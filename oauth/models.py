"""Tables of the authorization server. Nothing outside of `oauth` imports them (import-linter, contract "private").

A Grant (consent) is the root; each code exchange grows one TokenFamily on it; access and refresh tokens are leaves.
Secrets are random and stored as digests only.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.db import Base, Instant, words
from service.single_use import SpentOnce


class ClientKind(StrEnum):
    """Whether the app can keep a secret (RFC 6749 §2.1), and whether there is a person in it at all."""

    PUBLIC = "public"
    CONFIDENTIAL = "confidential"
    BACKEND = "backend"
    """A program of the plan's, or of a provider's office, that asks for itself (SMART Backend Services)."""


class AuthMethod(StrEnum):
    """How the app proves itself at the token endpoint (RFC 7591 §2)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY = "private_key_jwt"


class BackendBasis(StrEnum):
    """Whose program a backend client is, and so what it reaches (`consent.policy`)."""

    PLAN = "plan"
    PROVIDER = "provider"


class ClientStatus(StrEnum):
    """Only an approved app starts a request, exchanges, refreshes or reads. Set by `oauth.apps.admission` alone."""

    PENDING = "pending"
    APPROVED = "approved"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Attestation(StrEnum):
    """Whether the developer has agreed to the plan's privacy policy: a fact shown to members, never a gate."""

    ATTESTED = "attested"
    DECLINED = "declined"
    UNANSWERED = "unanswered"


class AppLogo(Base):
    """A logo, under the digest of its bytes; no column of the app, whose row is read by every request of an app."""

    __tablename__ = "app_logo"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary)


class Client(Base):
    """A registered app."""

    __tablename__ = "client"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_skeleton: Mapped[str] = mapped_column(String(400), unique=True)
    kind: Mapped[ClientKind] = mapped_column(words(ClientKind))
    token_endpoint_auth_method: Mapped[AuthMethod] = mapped_column(words(AuthMethod))
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    secret_expires_at: Mapped[datetime | None] = mapped_column(Instant)
    previous_secret_hash: Mapped[str | None] = mapped_column(String(64))
    previous_secret_expires_at: Mapped[datetime | None] = mapped_column(Instant)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Its public keys, told at registration; an app that proves itself by a key has these or `jwks_uri`."""
    jwks_uri: Mapped[str | None] = mapped_column(String(2000))
    backend_basis: Mapped[BackendBasis | None] = mapped_column(words(BackendBasis))
    provider_organization_id: Mapped[str | None] = mapped_column(ForeignKey("portal_organization.id"))
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    launch_uris: Mapped[list[str]] = mapped_column(JSON)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    scopes: Mapped[str] = mapped_column(Text)
    may_introspect: Mapped[bool] = mapped_column(default=False)
    require_pushed_authorization_requests: Mapped[bool] = mapped_column(default=False)
    dpop_bound_access_tokens: Mapped[bool] = mapped_column(default=False)
    status: Mapped[ClientStatus] = mapped_column(words(ClientStatus))
    developer_name: Mapped[str] = mapped_column(String(200))
    developer_domain: Mapped[str | None] = mapped_column(String(253))
    website: Mapped[str | None] = mapped_column(String(2000))
    policy_uri: Mapped[str | None] = mapped_column(String(2000))
    terms_uri: Mapped[str | None] = mapped_column(String(2000))
    contact: Mapped[str | None] = mapped_column(String(320))
    logo_digest: Mapped[str | None] = mapped_column(ForeignKey("app_logo.digest"))
    # None for apps that the plan's own tools registered.
    organization_id: Mapped[str | None] = mapped_column(ForeignKey("developer_organization.id"), index=True)
    description: Mapped[str] = mapped_column(Text, default="")
    platforms: Mapped[list[str]] = mapped_column(JSON, default=list)
    # A value of oauth.apps.models.Category; none where its developer has named none.
    category: Mapped[str | None] = mapped_column(String(32))
    scope_reasons: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    attestation: Mapped[Attestation] = mapped_column(words(Attestation))
    attested_on: Mapped[datetime | None] = mapped_column(Instant)
    attestation_version: Mapped[str | None] = mapped_column(String(40))
    version: Mapped[int] = mapped_column(Integer, default=1)
    credentials_version: Mapped[int] = mapped_column(Integer, default=1)
    """Rises when what the app proved itself by counts no more; tokens of a program carry it (`clients.end_tokens`)."""
    created_at: Mapped[datetime] = mapped_column(Instant)


class LaunchHandle(Base, SpentOnce):
    """That the portal opened an app for one member: redeemed once, by that app, in the login session it was made in."""

    __tablename__ = "launch_handle"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    login_session_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    need_patient_banner: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class PushedRequest(Base, SpentOnce):
    """The parameters of an authorization request that an app sent ahead (RFC 9126), for one use within a minute."""

    __tablename__ = "pushed_request"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    parameters: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class PendingAuthorization(Base, SpentOnce):
    """A validated authorization request that waits for its person, an hour since they last saw it (OA-18).

    `launched_member_id` and `launched_in` (a login session) are set where the portal opened the app.
    """

    __tablename__ = "pending_authorization"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    browser: Mapped[str | None] = mapped_column(String(64))
    redirect_uri: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    nonce: Mapped[str | None] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(String(43))
    prompt: Mapped[str] = mapped_column(String(60))
    login_hint: Mapped[str | None] = mapped_column(Text)
    hinted_subject: Mapped[str | None] = mapped_column(String(36))
    ui_locales: Mapped[str | None] = mapped_column(Text)
    authenticate_after: Mapped[datetime | None] = mapped_column(Instant)
    launched_member_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"))
    launched_in: Mapped[str | None] = mapped_column(String(36))
    need_patient_banner: Mapped[bool] = mapped_column(default=True)
    dpop_jkt: Mapped[str | None] = mapped_column(String(43))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    shown_at: Mapped[datetime | None] = mapped_column(Instant)
    """When its person first saw the question; None while they sign in, choose a member or are long gone."""

    client: Mapped[Client] = relationship(lazy="joined")


class AuthorizationCode(Base, SpentOnce):
    """A code for one exchange within 60 seconds. Spent rows stay: a second use ends the family (OA-22)."""

    __tablename__ = "authorization_code"
    __table_args__ = (Index("ix_authorization_code_client_challenge", "client_id", "code_challenge"),)

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    grant_id: Mapped[str] = mapped_column(ForeignKey("consent_grant.id"), index=True)
    grant_version: Mapped[int] = mapped_column(Integer)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    credentials_version: Mapped[int] = mapped_column(Integer)
    redirect_uri: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    nonce: Mapped[str | None] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(String(43))
    dpop_jkt: Mapped[str | None] = mapped_column(String(43))
    need_patient_banner: Mapped[bool] = mapped_column(default=True)
    login_session_id: Mapped[str | None] = mapped_column(String(36))
    authenticated_at: Mapped[datetime] = mapped_column(Instant)
    amr: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    family_id: Mapped[str | None] = mapped_column(String(36))

    def get_redirect_uri(self) -> str:
        """Authlib compares it with the exchange's."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Authlib passes it to the token generator, which looks at the grant instead."""
        return self.scope


class FamilyEnd(StrEnum):
    """Why a family of tokens ended."""

    CODE_REPLAYED = "code_replayed"
    REFRESH_REUSED = "refresh_reused"
    REVOKED_BY_APP = "revoked_by_app"


class TokenFamily(Base):
    """All tokens that descend from one code exchange: one installation of the app (a phone, a laptop).

    `login_session_id` is the sign-in in which it was agreed: what `online_access` lives by. `dpop_jkt` is the key that
    a public app's refresh tokens are bound to that say so (`key_bound`); since when, `dpop_bound_at` tells.
    """

    __tablename__ = "token_family"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("consent_grant.id"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    scope: Mapped[str] = mapped_column(Text)
    nonce: Mapped[str | None] = mapped_column(Text)
    dpop_jkt: Mapped[str | None] = mapped_column(String(43))
    need_patient_banner: Mapped[bool] = mapped_column(default=True)
    login_session_id: Mapped[str | None] = mapped_column(String(36))
    authenticated_at: Mapped[datetime] = mapped_column(Instant)
    amr: Mapped[str | None] = mapped_column(String(60))
    """By what its person had signed in (service/accounts/amr.py); None of a family of before that was kept."""
    created_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    end_reason: Mapped[FamilyEnd | None] = mapped_column(words(FamilyEnd))
    dpop_bound_at: Mapped[datetime | None] = mapped_column(Instant)


class AccessToken(Base):
    """A token of an hour at most, compared with its family, grant, account, link and app on every use.

    `dpop_jkt` names the key it is bound to (RFC 9449); a bearer token has none.
    """

    __tablename__ = "access_token"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    family_id: Mapped[str] = mapped_column(ForeignKey("token_family.id"), index=True)
    grant_version: Mapped[int] = mapped_column(Integer)
    scope: Mapped[str] = mapped_column(Text)
    dpop_jkt: Mapped[str | None] = mapped_column(String(43))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class RefreshToken(Base, SpentOnce):
    """A refresh token of one use; a second use ends the family (RFC 9700 §4.14.2)."""

    __tablename__ = "refresh_token"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    family_id: Mapped[str] = mapped_column(ForeignKey("token_family.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    key_bound: Mapped[bool | None] = mapped_column()
    """Whether it was given to who had proven the family's key; None of what an older release gave."""


class SystemToken(Base):
    """A token of a backend client, of five minutes at most; it hangs from its client alone.

    `credentials_version` is the client's as it was when its keys were read for the assertion that got the token;
    `dpop_jkt` names the key that the token is bound to (RFC 9449), a bearer token has none.
    """

    __tablename__ = "system_token"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), index=True)
    scope: Mapped[str] = mapped_column(Text)
    credentials_version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    dpop_jkt: Mapped[str | None] = mapped_column(String(43))


class FetchedKeySet(Base):
    """The key set last read from a client's `jwks_uri`, shared by all workers; five minutes old at most when used."""

    __tablename__ = "fetched_key_set"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    jwks: Mapped[dict[str, Any]] = mapped_column(JSON)
    fetched_at: Mapped[datetime] = mapped_column(Instant)
    fresh_until: Mapped[datetime] = mapped_column(Instant)
    tried_at: Mapped[datetime] = mapped_column(Instant)
    """When it was last asked for: later than `fetched_at` when that failed."""


class SigningKey(Base):
    """A key that signs ID tokens; the private part is sealed with the installation's secret key."""

    __tablename__ = "signing_key"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kid: Mapped[str] = mapped_column(String(64), unique=True)
    sealed_private_key: Mapped[bytes] = mapped_column(LargeBinary)
    public_jwk: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)
    signs_from: Mapped[datetime] = mapped_column(Instant)
    published_until: Mapped[datetime | None] = mapped_column(Instant)
