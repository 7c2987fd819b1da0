"""The sandbox plan's 835 files: written under `var/remittances` and loaded as `flask remittances load` does."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from service.plan.models import PaymentMethod, ProviderGroup, Remittance, RemittanceClaim, RemittanceFile
from service.plan.providers.numbers import shown_tax_id
from service.plan.remittances import remittance_files
from service.sandbox.handout import HandOut
from service.sandbox.plan import remittances
from service.sandbox.plan.payments import RUN
from service.sandbox.plan.remittance_claims import Patient
from service.sandbox.plan.stream import AS_OF, MemberBundle

_SHOWN_EACH = 3


class Unbalanced(Exception):
    """A file of the sandbox's own was refused: a fault of the generator."""


def load(sessions: sessionmaker[Session], people: Iterable[MemberBundle], seed: int, folder: Path) -> None:
    """Write and load the file of each whole run of these people; what was loaded before stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for members in _runs(people):
        run = members[0].index // RUN
        path = folder / f"run-{run:05}.835"
        with sessions.begin() as session:
            if session.scalar(select(RemittanceFile.id).where(RemittanceFile.name == path.name)) is not None:
                continue
            path.write_text(remittances.file_of([_of(one) for one in members], seed, run, AS_OF), encoding="ascii")
            summary = remittance_files.load_file(session, path)
            if summary.refused or summary.unknown_payees:
                raise Unbalanced(f"{path.name}: {'; '.join(str(fault) for fault in summary.refused)}")


def to_hand_out(session: Session) -> list[HandOut]:
    """The latest payments of claims of each kind, with the numbers that prove who was paid."""
    return [_shown(*row) for method in PaymentMethod for row in _latest(session, method)]


def _latest(session: Session, method: PaymentMethod) -> Iterable[tuple[Remittance, ProviderGroup]]:
    of_it = RemittanceClaim.remittance_id == Remittance.id
    statement = (
        select(Remittance, ProviderGroup)
        .join(ProviderGroup, ProviderGroup.id == Remittance.group_id)
        .where(Remittance.method == method, select(RemittanceClaim.id).where(of_it).exists())
        .order_by(Remittance.paid_on.desc(), Remittance.number_key)
        .limit(_SHOWN_EACH)
    )
    return [(remittance, group) for remittance, group in session.execute(statement)]


def _shown(remittance: Remittance, group: ProviderGroup) -> HandOut:
    return {
        "number": remittance.number,
        "method": remittance.method.value,
        "paid_on": remittance.paid_on.isoformat(),
        "amount": f"{remittance.amount_cents // 100}.{remittance.amount_cents % 100:02}",
        "group": group.name,
        "tax_id": shown_tax_id(remittance.payee_tax_id or ""),
        "npi": remittance.payee_npi,
        "vendor_number": remittance.payee_vendor_number,
    }


def _runs(people: Iterable[MemberBundle]) -> Iterator[list[MemberBundle]]:
    every = iter(people)
    while members := list(islice(every, RUN)):
        yield members


def _of(member: MemberBundle) -> tuple[Patient, list[dict[str, object]]]:
    row = member.roster
    claims = [one for one in member.resources if one["resourceType"] == "ExplanationOfBenefit"]
    return Patient(row.given_name, row.family_name, row.member_number), claims
