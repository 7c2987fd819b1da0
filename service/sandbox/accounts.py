"""Opens the sandbox's accounts and links its personal representatives, whatever of them is not there yet."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import link_refusals, representatives
from consent.models import Basis, PersonalRepresentative, RepresentativeLink
from service.accounts import opening, passwords
from service.accounts.authentication import find_by_username
from service.accounts.models import Account
from service.plan.models import Member
from service.sandbox.plan import cast, stream
from service.sandbox.plan.identifiers import member_number
from service.sandbox.sign_ins import PASSWORD, SIGN_INS, SignIn
from service.settings import Settings


def open_missing(session: Session, settings: Settings, seed: int) -> None:
    """Open every account whose member is on the roster, then make every representative and link."""
    numbers = _numbers_by_name()
    for sign_in in SIGN_INS:
        if find_by_username(session, sign_in.username) is None:
            _open(session, sign_in, numbers)
    for person in stream.people(seed):
        _represent(session, person, settings)


def _numbers_by_name() -> dict[tuple[str, str], str]:
    people = (cast.person(index, stream.AS_OF) for index in range(cast.SIZE))
    return {(person.given_name, person.family_name): person.number for person in people}


def _open(session: Session, sign_in: SignIn, numbers: dict[tuple[str, str], str]) -> None:
    number = numbers.get((sign_in.given_name, sign_in.family_name))
    member = _member(session, number) if number else None
    if number and member is None:
        return
    person = opening.NewPerson(
        given_name=sign_in.given_name,
        family_name=sign_in.family_name,
        email=f"{sign_in.given_name}.{sign_in.family_name}@example.org".lower(),
        member_id=member.id if member else None,
        language=sign_in.language,
    )
    opening.open_account(session, person, username=sign_in.username, password_hash=passwords.make_hash(PASSWORD))


def _represent(session: Session, person: cast.Representative, settings: Settings) -> None:
    account = _account_of(session, person)
    if account is None and not person.personal_representative_id:
        # Their account comes with a larger plan; without it or a number nobody would know them again.
        return
    representative = _find(session, person, account) or _add(session, person, account)
    # A link that was ended is not made again either.
    linked = set(session.scalars(select(RepresentativeLink.member_id).where(
        RepresentativeLink.representative_id == representative.id)))  # fmt: skip
    for represents in person.represents:
        member = _member(session, member_number(represents.member))
        if member is not None and member.id not in linked:
            _link(session, representative, member, represents, settings)


def _link(
    session: Session,
    representative: PersonalRepresentative,
    member: Member,
    represents: cast.Represents,
    settings: Settings,
) -> None:
    basis = Basis(represents.basis.replace(" ", "_"))
    try:
        representatives.link(
            session, representative, member, basis=basis, evidence=represents.evidence, timezone=settings.plan.timezone
        )  # fmt: skip
    except link_refusals.PastMajority:
        # The cast's birth dates are fixed: one day its children are grown up.
        return


def _account_of(session: Session, person: cast.Representative) -> Account | None:
    mine = (sign_in for sign_in in SIGN_INS if (sign_in.given_name, sign_in.family_name) == _name(person))
    sign_in = next(mine, None)
    return find_by_username(session, sign_in.username) if sign_in else None


def _find(session: Session, person: cast.Representative, account: Account | None) -> PersonalRepresentative | None:
    if account is not None:
        return representatives.representative_of(session, account)
    number = _number(person)
    return (
        session.scalar(select(PersonalRepresentative).where(PersonalRepresentative.number == number))
        if number
        else None
    )


def _add(session: Session, person: cast.Representative, account: Account | None) -> PersonalRepresentative:
    made = PersonalRepresentative(
        number=_number(person),
        given_name=person.given_name,
        family_name=person.family_name,
        birth_date=person.birth_date,
    )
    session.add(made)
    session.flush()
    if account is not None:
        representatives.attach_account(session, made, account)
    return made


def _number(person: cast.Representative) -> str | None:
    given = person.personal_representative_id
    return representatives.normal_number(given) if given else None


def _name(person: cast.Representative) -> tuple[str, str]:
    return person.given_name, person.family_name


def _member(session: Session, number: str) -> Member | None:
    return session.scalar(select(Member).where(Member.member_number == number))
