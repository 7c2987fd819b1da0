"""Searches as nobody should write them: each is answered or refused with words, by either database, never a fault."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent.policy import GrantFacts, access_for_grant, own_record, plan_system
from consent.representatives import MemberChoice
from consent.scopes import BY_NAME
from fhir import store
from fhir.compartment import TYPES
from fhir.loading import ingest
from fhir.outcomes import FhirProblem
from fhir.search import parameters
from fhir.search import query as searching
from service import audit
from service.accounts.models import Account
from service.audit import Outcome
from service.db import Base, make_engine
from service.plan.models import Member
from tests.conftest import new_schema
from tests.fhir.searched import MEMBER, everything
from tests.fhir.test_search_rules import BASE
from tests.fuzz.conftest import VALUES, trying

NAMES = sorted({one.name for resource_type in TYPES for one in parameters.of(resource_type)})
CONTROLS = ["_count", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude", "_has", "_format", "shoe"]
SUFFIXES = st.sampled_from(
    ["", "", "", ":missing", ":not", ":exact", ":contains", ":identifier", ":of-type", ":iterate", ":Patient", ":text",
     ":Practitioner", ".name", ".identifier", ":Practitioner.name", ":", "."]
)  # fmt: skip
PIECES = st.sampled_from(
    ["eq", "ge", "lt", "ap", "sa", "ne", "2024", "-02", "-30", "T10:00", ":00", "Z", "-05:00", "+", "|", ",", "\\", "$",
     "http://loinc.org", "8867-4", "Practitioner/", "zoe", "member", "Patient/", "/_history/1", "urn:uuid:", "://", "#",
     "true", "false", "é", "ß", "\u0301", "\u202e", "\ud7ff", "'", '"', "%", "%s", "?", "{0}", "--", ";", "*", "-", "[",
     "_id", "ExplanationOfBenefit", ":", "provider", "coverage", "service-date", "created", "status", "0", " ",
     "9" * 30, "\x1f", "\x1e", "\t", "[1]", "]"]
)  # fmt: skip
VALUE = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=12)
PAIRS = st.lists(st.tuples(st.tuples(st.sampled_from(NAMES + CONTROLS), SUFFIXES).map("".join), VALUE), max_size=5)

DATES = st.tuples(
    st.sampled_from(["", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"]),
    st.sampled_from(["0001", "2024", "2024-03", "2024-03-11", "2024-03-10T08:00-05:00",
                     "2026-01-02T04:30:00.5Z", "9999"]),
).map("".join)  # fmt: skip
WORDS = st.sampled_from(
    ["zoe", "Practitioner/zoe", "clinic", "final", "http://loinc.org|8867-4", "|local", "urn:x|", "a\\,b", "Zoë",
     "member", "http://x|MB|M", "%_'\"[]{}", "\\\\", "active,final"]
)  # fmt: skip


@st.composite
def plausible(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    """A type, and pairs that mostly mean something for it."""
    kind = draw(st.sampled_from(TYPES))
    pairs: list[tuple[str, str]] = []
    for one in draw(st.lists(st.sampled_from(parameters.of(kind)), max_size=4)):
        modifier = draw(st.sampled_from(["", *parameters.modifiers(one)]))
        values = st.sampled_from(["true", "false"]) if modifier == "missing" else DATES if one.kind == "date" else WORDS
        pairs.append((f"{one.name}:{modifier}" if modifier else one.name, draw(values)))
    sortable = [one.name for one in parameters.of(kind) if parameters.sort_column(one)]
    keys = draw(st.lists(st.tuples(st.sampled_from(["", "-"]), st.sampled_from(sortable)).map("".join), max_size=3))
    pairs += [("_sort", ",".join(keys)), ("_count", draw(st.sampled_from(["", "0", "1", "2"])))]
    pairs.append(("_include", draw(st.sampled_from(["", "*", *parameters.includes(kind)]))))
    return kind, pairs


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A few resources of every kind."""
    if request.param == "sqlite":
        yield from _loaded(f"sqlite:///{tmp_path_factory.mktemp('fuzzed')}/fuzzed.db")
        return
    with new_schema() as url:
        yield from _loaded(url)


def _loaded(url: str) -> Iterator[Engine]:
    made = make_engine(url)
    Base.metadata.create_all(made)
    resources = ({name: value for name, value in one.items() if value is not None} for one in everything())
    ingest.load_resources(made, resources, access=plan_system("tests"))
    with Session(made) as session:
        for kind, outcome in (("Observation", Outcome.SUCCESS), ("Coverage", Outcome.REFUSED)):
            audit.record(
                session, f"fhir:{kind}:search", outcome=outcome, member_id="m", grant_id="g", client_id="c",
                resource_type=kind, count=1,
            )  # fmt: skip
        session.commit()
    yield made
    made.dispose()


_SCOPES = " ".join(f"patient/{name}.rs" for name in ("*", *BY_NAME))
_GIVEN_BY_NAME = GrantFacts("g", "a", "c", "m", MEMBER, _SCOPES, _SCOPES, _SCOPES, frozenset())


@trying(VALUES // 2)
@given(kind=st.sampled_from(TYPES), pairs=PAIRS, strict=st.booleans(), everybody=st.booleans())
def test_every_search_is_answered_or_refused(
    engine: Engine, kind: str, pairs: list[tuple[str, str]], strict: bool, everybody: bool
) -> None:
    attempt(engine, kind, pairs, strict=strict, everybody=everybody)


@trying(VALUES // 2)
@given(plausible(), st.booleans())
def test_every_search_that_means_something_is_run(
    engine: Engine, asked: tuple[str, list[tuple[str, str]]], everybody: bool
) -> None:
    attempt(engine, *asked, strict=True, everybody=everybody)


def attempt(engine: Engine, kind: str, pairs: list[tuple[str, str]], *, strict: bool, everybody: bool) -> None:
    """Search, and read the page that follows; what is refused names a parameter."""
    own = MemberChoice(Member(id="m", patient_id=MEMBER), None)
    access = plan_system("tests") if everybody else own_record(Account(id="a"), own)
    if kind in BY_NAME:
        # Nobody but an app that was given the type by name has any.
        access = access_for_grant(_GIVEN_BY_NAME)
    try:
        asked = searching.parse(kind, pairs, base=BASE, patient_ids=access.patient_ids, strict=strict)
    except FhirProblem as problem:
        assert problem.status in {400, 403} and problem.sentence and problem.expression
        return
    assert set(asked.used) <= set(pairs)
    with Session(engine) as session:
        page = store.search(session, access, asked)
        seen = {one.id for one in page.matches}
        if page.following:
            further = store.search(session, access, asked, page.following)
            assert not seen & {one.id for one in further.matches}
