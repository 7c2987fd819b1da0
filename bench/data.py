"""What the requests are about: a sandbox plan, apps, grants, codes and tokens, made by the product's own verbs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from bench import callers, portal
from bench.callers import Codes, Program
from bench.portal import Office
from consent import decisions, grants
from consent.decisions import Asked, Chosen
from consent.models import Answer, Grant
from consent.representatives import MemberChoice
from consent.scopes import parse
from fhir.models import StoredResource
from oauth.apps import registration
from oauth.apps.clients import ClientKind, ClientView
from oauth.apps.registration import Registration
from oauth.models import AuthorizationCode, TokenFamily
from oauth.tokens import token_rows
from service.accounts import opening
from service.accounts.models import Account
from service.accounts.opening import NewPerson
from service.accounts.passwords import make_hash
from service.clock import now
from service.databases.connections import PoolLimits
from service.db import make_engine, make_sessions, new_id
from service.plan.models import (
    AccessEntry,
    EntrySource,
    IdKind,
    Member,
    OrganizationKind,
    PortalFunction,
    PortalOrganization,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
)
from service.plan.registering import terms
from service.sandbox import create
from service.settings import Settings

PAGE = 20
READERS = 24
OFFICES = 8
EOBS_EACH = 20
FEWEST_READERS = 4
REVOCABLE_EACH = 10
SCOPES = "openid fhirUser launch/patient offline_access patient/*.rs"
SEED = 20260101
LIFE = timedelta(hours=6)


@dataclass(frozen=True)
class Reader:
    """A member whose claims are read: the app's token for them, their FHIR id, ids of their claims."""

    token: str
    patient_id: str
    eobs: tuple[str, ...]


@dataclass(frozen=True)
class Revocable:
    """A family that is there to be ended: its access token and the refresh token that ends it."""

    access_token: str
    refresh_token: str


@dataclass(frozen=True)
class SignIn:
    """An account to sign in with."""

    username: str
    password: str


@dataclass(frozen=True)
class Material:
    """Everything the cases need."""

    description: str
    client_id: str
    client_secret: str
    programs: Sequence[Program]
    codes: Codes
    readers: Sequence[Reader]
    refresh_tokens: Sequence[str]
    revocable: Sequence[Revocable]
    accounts: Sequence[SignIn]
    offices: Sequence[SignIn]
    """Logins of the provider portal, each of a group with a full page of claims."""
    payee: Office
    """A login of the group with most payments."""


class TooFewClaims(Exception):
    """Too few of the plan have a full page of claims: take more members."""


def prepare(settings: Settings, *, members: int, password: str) -> Material:
    """Make schema and plan in the database of `settings`, and the tokens that the cases use."""
    create.create(settings, members=members, seed=SEED, console=Console(quiet=True))
    engine = make_engine(settings.database_url, PoolLimits(2))
    try:
        with make_sessions(engine)() as session:
            made = _material(session, settings, password)
            session.commit()
        _settle(engine)
    finally:
        engine.dispose()
    return made


def _material(session: Session, settings: Settings, password: str) -> Material:
    app = Registration(
        name="Bench", redirect_uris=[callers.CALLBACK], developer_name="Bench",
        kind=ClientKind.CONFIDENTIAL, scopes=SCOPES, may_introspect=True,
    )  # fmt: skip
    client, secret = registration.register(session, app, settings=settings)
    assert secret
    hashed = make_hash(password)
    readers, refresh_tokens, revocable, accounts, given = [], [], [], [], []
    claims = _readable_claims(session)
    for number, member in enumerate(_members_with_a_page(session, claims)):
        account = opening.open_account(
            session, NewPerson(member.given_name, member.family_name, f"bench{number}@example.org", member.id),
            username=f"bench-reader-{number}", password_hash=hashed,
        )  # fmt: skip
        grant = _grant(session, client, account, MemberChoice(member, None))
        given.append((account, grant))
        family = _family(session, grant)
        eobs = tuple(claims[member.patient_id][:EOBS_EACH])
        readers.append(Reader(_access_token(session, grant, family), member.patient_id, eobs))
        accounts.append(SignIn(account.username, password))
        # Families of their own: refreshing ends the access tokens of its family.
        refresh_tokens += [_refresh_token(session, _family(session, grant)) for _ in range(2)]
        revocable += [_revocable(session, grant) for _ in range(REVOCABLE_EACH)]
    offices = _offices(session, settings, hashed, password)
    payee = portal.open_office(session, settings, password=password, password_hash=hashed)
    codes = callers.keep_codes(session, given, SCOPES)
    programs = callers.register_programs(session, settings)
    return Material(
        _describe(session), client.id, secret, programs, codes, readers, refresh_tokens, revocable, accounts,
        offices, payee,
    )  # fmt: skip


def _readable_claims(session: Session) -> dict[str, list[str]]:
    """By patient: the ids of the claims that an app sees without any sensitive class ticked."""
    found = defaultdict(list)
    wanted = select(StoredResource.patient_id, StoredResource.id, StoredResource.labels)
    for patient_id, eob, labels in session.execute(wanted.where(StoredResource.type == "ExplanationOfBenefit")):
        if not labels:
            found[patient_id].append(eob)
    return found


def _members_with_a_page(session: Session, claims: Mapping[str, Sequence[str]]) -> list[Member]:
    rich = [patient_id for patient_id, eobs in claims.items() if len(eobs) >= PAGE]
    without_account = Member.id.not_in(select(Account.member_id).where(Account.member_id.is_not(None)))
    found = select(Member).where(Member.patient_id.in_(rich), without_account, Member.deceased_on.is_(None))
    members = list(session.scalars(found.order_by(Member.patient_id).limit(READERS)))
    if len(members) < FEWEST_READERS:
        raise TooFewClaims
    return members


def _grant(session: Session, client: ClientView, account: Account, choice: MemberChoice) -> Grant:
    scopes = parse(SCOPES)
    decision = decisions.record(
        session, account, choice, Asked(client.id, client.version, scopes, "en", "bench", {}),
        answer=Answer.ALLOW, chosen=Chosen(scopes, offline=True),
    )  # fmt: skip
    return grants.give(session, decision, choice)


def _family(session: Session, grant: Grant) -> TokenFamily:
    # The code itself is not kept: nobody exchanges it over HTTP.
    code = AuthorizationCode(grant_id=grant.id, client_id=grant.client_id, scope=SCOPES, authenticated_at=now())
    return token_rows.found_family(session, code, new_id())


def _revocable(session: Session, grant: Grant) -> Revocable:
    family = _family(session, grant)
    return Revocable(_access_token(session, grant, family), _refresh_token(session, family))


def _access_token(session: Session, grant: Grant, family: TokenFamily) -> str:
    raw = token_rows.new_secret()
    token_rows.keep_access_token(
        session, raw, family=family, grant_version=grant.version, scope=SCOPES, life=LIFE, dpop_jkt=None
    )  # fmt: skip
    return raw


def _refresh_token(session: Session, family: TokenFamily) -> str:
    raw = token_rows.new_secret()
    token_rows.keep_refresh_token(session, raw, family=family)
    return raw


def _offices(session: Session, settings: Settings, hashed: str, password: str) -> list[SignIn]:
    """Logins for the groups that billed most, each with one entry."""
    billed = select(StoredResource.provider_id).where(StoredResource.provider_id.is_not(None))
    most = billed.group_by(StoredResource.provider_id).order_by(func.count().desc()).limit(OFFICES)
    found = list(session.scalars(most))
    return [_office(session, settings, place, str(one), hashed, password) for place, one in enumerate(found)]


def _office(
    session: Session, settings: Settings, place: int, organization_id: str, hashed: str, password: str
) -> SignIn:
    account = opening.open_account(
        session, NewPerson("Office", f"Bench {place}", f"office{place}@example.org", None),
        username=f"bench-office-{place}", password_hash=hashed,
    )  # fmt: skip
    group = session.scalar(select(ProviderGroup).where(ProviderGroup.organization_id == organization_id))
    if group is None:
        group = ProviderGroup(number=f"BENCH{place}", legal_name=f"Bench {place}", organization_id=organization_id)
    organization = PortalOrganization(
        kind=OrganizationKind.PROVIDER, name=f"Bench {place}", tax_id=f"0799999{place:02}"
    )
    session.add_all((group, organization))
    session.flush()
    staff = ProviderStaff(
        account_id=account.id, organization_id=organization.id, functions=[one.value for one in PortalFunction]
    )
    # An office id of our own: whatever else the plan's records say of the group, it has this number once.
    session.add_all((staff, ProviderIdentifier(group_id=group.id, kind=IdKind.OFFICE_ID, value=f"BENCH{place}")))
    session.flush()
    session.add(AccessEntry(staff_id=staff.id, source=EntrySource.PLAN, office_id=f"BENCH{place}"))
    for text in settings.plan.terms:
        terms.accept(session, account.id, text)
    return SignIn(account.username, password)


def _describe(session: Session) -> str:
    resources = session.scalar(select(func.count()).select_from(StoredResource))
    members = session.scalar(select(func.count()).select_from(Member))
    return f"{members:,} members, {resources:,} resources"


def _settle(engine: Engine) -> None:
    """What autovacuum would do soon: statistics for the planner."""
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
