"""Which codes make a record sensitive, and which tell nothing of it: drugs, procedures, revenue, places, taxonomy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from consent.models import SensitiveClass
from consent.policy import Access, consent_preview, own_record
from consent.representatives import MemberChoice
from consent.scopes import parse
from fhir import store
from fhir.loading import drug_codes, ingest, labels, relabelling
from fhir.models import StoredResource
from fhir.search.query import Search
from service.db import make_sessions
from tests.fhir import records
from tests.fhir.conftest import Api
from tests.oauth.desk import Desk

_NDC = "http://hl7.org/fhir/sid/ndc"
_CPT = "http://www.ama-assn.org/go/cpt"
_HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
_REVENUE = "https://www.nubc.org/CodeSystem/RevenueCodes"
_PLACE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
_TAXONOMY = "http://nucc.org/provider-taxonomy"
_SUBOXONE, _BIKTARVY, _MIFEPREX, _PROZAC, _LIPITOR = (
    "12496120803", "61958250101", "64875000101", "0777-3105-02", "00071015523",
)  # fmt: skip
_UNLISTED = "11111-2222-33"
_TABLES = json.loads(Path(labels.__file__).with_name("sensitive_codes.json").read_text("utf-8"))
_HEAD = "PRODUCTID\tPRODUCTNDC\tSUBSTANCENAME\tPHARM_CLASSES\n"


def _claim(*codes: tuple[str, str], name: str = "c", patient_id: str = "p", **given: Any) -> dict[str, Any]:
    """A claim that only these codes of its lines tell of."""
    lines = [
        {"sequence": place, "productOrService": records.concept(*code)} for place, code in enumerate(codes, start=1)
    ]
    bare: dict[str, Any] = records.claim(name, patient_id, kind="pharmacy", item=lines, **given)
    del bare["diagnosis"]
    return bare


def test_a_system_is_known_where_a_table_is_and_the_other_way_round() -> None:
    known = set(_TABLES["systems"].values())
    assert known - {"ndc"} == {name for tables in _TABLES["classes"].values() for name in tables}
    assert all(codes for tables in _TABLES["classes"].values() for codes in tables.values())
    drugs = json.loads(drug_codes.FILE.read_text("utf-8"))
    assert drugs.keys() == {drug_codes.ORDINARY, *labels.SUBSTANCES} <= {drug_codes.ORDINARY, *SensitiveClass}
    assert all(drugs.values())
    assert known >= set(_TABLES["hints"]) and known >= set(_TABLES["prefix_tables"])


@pytest.mark.parametrize(
    ("code", "classes"),
    [
        (_SUBOXONE, {"substance_use"}), (_BIKTARVY, {"hiv"}), ("61958-2002-01", {"hiv"}), (_PROZAC, {"mental_health"}),
        ("00054-4571-25", {"substance_use"}), (_MIFEPREX, {"sexual_reproductive"}), (_LIPITOR, set()),
        # Another package, and a product that its labeler's five digits tell of.
        ("12496-1208-99", {"substance_use"}), ("49702-9999-13", {"hiv"}),
        (_UNLISTED, {"restricted"}), ("Lipitor", {"restricted"}), ("", {"restricted"}), ("0007101552", {"restricted"}),
    ],
)  # fmt: skip
def test_a_drug_is_what_its_product_is_listed_as(code: str, classes: set[str]) -> None:
    assert labels.labels(_claim((_NDC, code))) == classes
    dispense = {"resourceType": "MedicationDispense", "medicationCodeableConcept": records.concept(_NDC, code)}
    assert labels.labels(dispense) == classes


@pytest.mark.parametrize(
    ("code", "products"),
    [
        ("0777-3105-02", ("007773105",)), ("12496-300-01", ("124960300",)), ("12496-1208-3", ("124961208",)),
        ("12496-1208-03", ("124961208",)), ("012496-1208-03", ("124961208",)), ("68071-2235", ("680712235",)),
        (" 12496120803 ", ("124961208",)), ("012496120803", ("124961208",)), ("124961208", ("124961208",)),
        ("0777310502", ("007773105", "077730105", "077731050")),
        ("112496120803", ()), ("912496-1208-03", ()), ("1249612", ()), ("1249-6-12", ()), ("ABCDEFGHIJK", ()),
        ("¹²³⁴⁵⁶⁷⁸⁹", ()),
    ],
)  # fmt: skip
def test_an_ndc_is_read_however_it_is_written(code: str, products: tuple[str, ...]) -> None:
    assert drug_codes.products(code) == products


def test_ten_digits_without_hyphens_add_a_class_and_never_say_ordinary() -> None:
    assert labels.labels(_claim((_NDC, "0777310502"))) == {"mental_health"}
    assert labels.labels(_claim((_NDC, "0071015523"))) == {"restricted"}
    assert labels.labels(_claim((_NDC, "0071-0155-23"))) == frozenset()


def test_an_unlisted_drug_is_told_by_rxnorm_beside_it() -> None:
    both = _claim((_NDC, _UNLISTED), ("http://www.nlm.nih.gov/research/umls/rxnorm", "197361"))
    assert labels.labels(both) == frozenset()


@pytest.mark.parametrize("system", [_CPT, _HCPCS])
@pytest.mark.parametrize(
    ("code", "classes"),
    [
        ("90837", {"mental_health"}), ("90791", {"mental_health"}), ("96130", {"mental_health"}),
        ("59840", {"sexual_reproductive"}), ("58300", {"sexual_reproductive"}), ("55970", {"sexual_reproductive"}),
        ("76800", set()), ("76801", {"sexual_reproductive"}), ("87389", {"hiv"}), ("87536", {"hiv"}),
        ("80305", {"substance_use"}), ("80354", {"substance_use"}), ("H0020", {"substance_use"}),
        ("90837-95", {"mental_health"}), ("81162", {"genetic"}), ("99213", set()), ("97110", set()),
        ("Dummy", {"restricted"}), ("908", {"restricted"}),
    ],
)  # fmt: skip
def test_a_claim_is_what_its_procedures_are(system: str, code: str, classes: set[str]) -> None:
    assert labels.labels(_claim((system, code))) == classes


@pytest.mark.parametrize(
    ("system", "code", "found"),
    [
        (_REVENUE, "0905", "mental_health"), (_REVENUE, "905", "mental_health"), (_REVENUE, "0944", "substance_use"),
        (_REVENUE, "1002", "substance_use"), (_REVENUE, "0722", "sexual_reproductive"), (_PLACE, "52", "mental_health"),
        (_PLACE, "58", "substance_use"), (_TAXONOMY, "2084P0800X", "mental_health"),
        (_TAXONOMY, "207RA0401X", "substance_use"), (_TAXONOMY, "103TC0700X", "mental_health"),
        (_TAXONOMY, "324500000X", "substance_use"), (_TAXONOMY, "207VX0000X", "sexual_reproductive"),
        (_REVENUE, "0450", None), (_PLACE, "11", None), (_TAXONOMY, "207Q00000X", None),
    ],
)  # fmt: skip
def test_where_and_by_whom_adds_a_class_and_classifies_nothing(system: str, code: str, found: str | None) -> None:
    added = {found} if found else set()
    assert labels.labels(_claim((system, code), (_CPT, "99213"))) == added
    assert labels.labels(_claim((system, code))) == added | {"restricted"}


def test_the_directory_s_own_records_are_nobody_s() -> None:
    role = {"resourceType": "PractitionerRole", "id": "r", "specialty": [records.concept(_TAXONOMY, "2084P0800X")]}
    assert labels.labels(role) == frozenset()


@pytest.fixture
def bought(engine: Engine, system: Access, loaded: str) -> frozenset[str]:
    """Claims of the member that NDC or CPT alone tell of; their ids."""
    given = {"suboxone": _SUBOXONE, "biktarvy": _BIKTARVY, "lipitor": _LIPITOR, "unlisted": _UNLISTED}
    made = [_claim((_NDC, code), name=name, patient_id=loaded) for name, code in given.items()]
    made.append(_claim((_CPT, "90837"), name="talk", patient_id=loaded))
    assert ingest.load_resources(engine, made, access=system).rejected == 0
    return frozenset({*given, "talk"})


def test_an_app_gets_what_is_ordinary_alone(connect: Callable[..., Api], bought: frozenset[str]) -> None:
    api = connect()
    assert {*api.ids("ExplanationOfBenefit?_count=100")} & bought == {"lipitor"}
    read = {name: api.get(f"ExplanationOfBenefit/{name}").status_code for name in bought}
    assert read.pop("lipitor") == 200 and set(read.values()) == {404}


@pytest.mark.parametrize(
    ("ticked", "more"),
    [
        (set(), set()), ({SensitiveClass.HIV}, {"biktarvy"}),
        ({SensitiveClass.SUBSTANCE_USE, SensitiveClass.MENTAL_HEALTH}, {"suboxone", "talk"}),
        ({*SensitiveClass}, {"biktarvy", "suboxone", "talk"}),
    ],
)  # fmt: skip
def test_what_the_member_ticks_is_shared_too(
    desk: Desk, engine: Engine, bought: frozenset[str], ticked: set[SensitiveClass], more: set[str]
) -> None:
    choice = MemberChoice(desk.member, None)
    access = consent_preview(
        desk.account, choice, parse("patient/*.rs"), client_id="app", sensitive=frozenset(ticked)
    )  # fmt: skip
    with make_sessions(engine)() as session:
        shared = store.search(session, access, Search("ExplanationOfBenefit", count=100)).matches
        own = store.search(session, own_record(desk.account, choice), Search("ExplanationOfBenefit", count=100)).matches
    assert {one.id for one in shared} & bought == {"lipitor", *more}
    assert bought <= {one.id for one in own}


def test_what_an_earlier_version_called_ordinary_is_labelled_anew(engine: Engine, system: Access) -> None:
    given = {"a": (_NDC, _SUBOXONE), "b": (_NDC, _UNLISTED), "c": (_NDC, _LIPITOR), "d": (_CPT, "59840")}
    ingest.load_resources(engine, [_claim(code, name=name) for name, code in given.items()], access=system)
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        session.execute(update(StoredResource).values(labels=[], labelled_by="2026-11-26.2"))

    assert relabelling.relabel(sessions, access=system, progress=lambda _: None) == (4, 3, 1)

    with sessions() as session:
        found = {row.id: tuple(row.labels) for row in session.scalars(select(StoredResource))}
    assert found == {"a": ("substance_use",), "b": ("restricted",), "c": (), "d": ("sexual_reproductive",)}


def test_the_list_grows_by_editions_of_fda_s_directory(tmp_path: Path) -> None:
    file = tmp_path / "drug_codes.json"
    file.write_text('{"ordinary": ["111111111"], "hiv": ["222222222"]}')
    now, then = tmp_path / "product.txt", tmp_path / "2019.txt"
    now.write_bytes((
        _HEAD
        + "1\t50090-0001\tBUPRENORPHINE HYDROCHLORIDE; NALOXONE HYDROCHLORIDE DIHYDRATE\t\n"
        + "2\t0002-0003\tSOMETHING NEW\tHuman Immunodeficiency Virus 1 Capsid Inhibitor [EPC], \xae\n"
        + "3\t70010-005\tATORVASTATIN CALCIUM\tHMG-CoA Reductase Inhibitor [EPC]\n"
        + '4\t70010-006\t"TRUNCATED\t\n'
        + "5\t70010-007\t\t\n"
        + "6\t22222-2222\tATORVASTATIN CALCIUM\t\n"
    ).encode("cp1252"))  # fmt: skip
    then.write_text(_HEAD + "1\t60000-0001\tLAMIVUDINE; ZIDOVUDINE\t\n", "ascii")

    assert drug_codes.extend([now, then], labels.SUBSTANCES, file) == 7

    assert json.loads(file.read_text()) == {
        "hiv": ["000020003", "222222222", "600000001"],
        "ordinary": ["111111111", "222222222", "700100005", "700100006"],
        "substance_use": ["500900001"],
    }
    assert [one.name for one in tmp_path.glob("drug_codes*")] == ["drug_codes.json"]


def test_another_file_is_no_directory_and_changes_nothing(tmp_path: Path) -> None:
    file, other = tmp_path / "drug_codes.json", tmp_path / "package.txt"
    file.write_text('{"ordinary": []}')
    other.write_text("NDCPACKAGECODE\tPACKAGEDESCRIPTION\n0002-0003-01\tBottle\n")
    with pytest.raises(drug_codes.NoDirectory, match=r"package\.txt is not product\.txt"):
        drug_codes.extend([other], labels.SUBSTANCES, file)
    assert file.read_text() == '{"ordinary": []}'
