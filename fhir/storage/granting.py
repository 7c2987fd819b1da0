"""Scopes as SQL: what an Access leaves of a type, and the refusal where it leaves nothing."""

from functools import lru_cache

from sqlalchemy.orm import Session

from consent.policy import Access
from consent.scopes import Restriction
from fhir.outcomes import Forbidden
from fhir.search import clauses
from fhir.search import query as searching
from fhir.search.clauses import Clause, Dialect
from fhir.storage import statements
from oauth.tokens.token_problems import InsufficientScope


def needed(access: Access, resource_type: str, letter: str) -> str:
    """The scope that would reach an interaction: of a person's grant, or of a program without one."""
    return f"{'patient' if access.grant_id else 'system'}/{resource_type}.{letter}"


def granted(dialect: Dialect, access: Access, resource_type: str, letter: str) -> Clause | None:
    """What the scopes leave of one type for one interaction; None where they do not speak of it."""
    alternatives = access.scopes.restrictions(resource_type, letter)
    return within(dialect, resource_type, alternatives) if alternatives else None


@lru_cache(maxsize=1024)
def within(dialect: Dialect, resource_type: str, alternatives: tuple[Restriction, ...]) -> Clause:
    """What of one type lies within one of these restrictions."""
    if () in alternatives:
        return Clause("")
    return clauses.any_of([
        clauses.all_of([
            clauses.condition(dialect, condition)
            for condition in searching.restriction(resource_type, restriction, base="")
        ])
        for restriction in alternatives
    ])  # fmt: skip


def require(session: Session, access: Access, resource_type: str, letter: str) -> Clause:
    """What `granted` gives; raises InsufficientScope where that is nothing."""
    clause = granted(statements.dialect_of(session), access, resource_type, letter)
    if clause is None:
        raise InsufficientScope(needed(access, resource_type, letter))
    return clause


def require_write(access: Access, resource_type: str, letter: str) -> None:
    """Raise InsufficientScope unless the whole type may be written."""
    if () not in access.scopes.restrictions(resource_type, letter):
        raise InsufficientScope(f"system/{resource_type}.{letter}")


def require_every_record(access: Access, *letters: str) -> None:
    """Raise Forbidden unless the access reaches all of every member's record, and may write it so (c, u, d)."""
    is_whole = access.patient_ids is None and not access.excluded_labels
    if not is_whole or not all(() in access.scopes.restrictions("Patient", letter) for letter in letters):
        raise Forbidden
