"""The provider network of the sandbox plan: payer, groups, practitioners, places and shared medications."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from service.sandbox.plan.clinical.formulary import MEDICINES
from service.sandbox.plan.codes import (
    IDENTIFIER_TYPE,
    NPI,
    PAYER_ID,
    PLAN_NET,
    RXNORM,
    TAX_ID,
    TAXONOMY,
    TERMINOLOGY,
    VENDOR_NUMBER,
    Resource,
    carin_profile,
    carin_system,
    coding,
    concept,
    reference,
    us_core_profile,
)
from service.sandbox.plan.identifiers import fhir_id, npi, tax_id
from service.sandbox.plan.people import STATE

PAYER_NAME = "Meridian Health Plan"
PAYER_CODE = "99901"
NAIC_CODE = "99901"  # above every company code in use


@dataclass(frozen=True)
class Clinician:
    """A practitioner as claims and visits name one."""

    reference: str
    name: str
    gender: str
    taxonomy: str
    """Bare code: the words of the taxonomy belong to its owner."""


@dataclass(frozen=True)
class Group:
    """A provider organisation with its place and people."""

    reference: str
    name: str
    location: str
    clinicians: tuple[Clinician, ...]
    number: int
    """Its place in the plan's list; tax id, NPI and vendor number follow from it."""
    paid_by_check: bool


@dataclass(frozen=True)
class Practice:
    """A group as the plan's payment system knows it."""

    group: Group
    tax_id: str
    npi: str
    vendor_number: str
    phone: str
    address: tuple[str, str, str]
    """Line, city and ZIP code; the state is the plan's."""
    contracted: bool


@dataclass(frozen=True)
class Network:
    """References to everything `shared` yields, by the group's key."""

    payer: str
    groups: dict[str, Group]
    medications: dict[str, str]


@dataclass(frozen=True)
class _Entry:
    name: str
    place: str
    address: tuple[str, str, str]
    clinicians: tuple[tuple[str, str, str, str], ...] = ()
    """Given name, family name, gender, taxonomy code."""


_TABLE = {
    "family medicine": _Entry("Maple Bend Family Medicine", "PROFF", ("12 Maple Street", "Maple Bend", "41901"), (
        ("Nora", "Bennett", "female", "207Q00000X"), ("Samuel", "Ortiz", "male", "207Q00000X"),
        ("Claire", "Hughes", "female", "363LF0000X"))),
    "river clinic": _Entry("Rivermont Community Clinic", "PROFF", ("80 River Road", "Rivermont", "41902"), (
        ("Aaron", "Whitfield", "male", "207R00000X"), ("Leila", "Haddad", "female", "207R00000X"))),
    "pediatrics": _Entry("Stonebrook Pediatrics", "PEDC", ("5 School Street", "Stonebrook", "41903"), (
        ("Priya", "Nair", "female", "208000000X"), ("Tom", "Becker", "male", "208000000X"))),
    "hospital": _Entry("Rivermont General Hospital", "HOSP", ("200 Hill Road", "Rivermont", "41902"), (
        ("Victor", "Lindqvist", "male", "208600000X"), ("Amina", "Yusuf", "female", "207P00000X"),
        ("Ellen", "Marsh", "female", "208M00000X"))),
    "cardiology": _Entry("Ashford Heart Associates", "CARD", ("31 Park Avenue", "Ashford Hills", "41905"), (
        ("Raymond", "Castle", "male", "207RC0000X"),)),
    "women": _Entry("Larkspur Women's Health", "OB", ("9 Garden Street", "Larkspur", "41907"), (
        ("Isabel", "Fuentes", "female", "207V00000X"),)),
    "behavioral": _Entry("Cedar Point Behavioral Health", "PC", ("44 Lake Drive", "Cedar Point", "41906"), (
        ("Miriam", "Adler", "female", "2084P0800X"), ("Joshua", "Penn", "male", "101YM0800X"))),
    "dental": _Entry("Fairhollow Dental", "PROFF", ("17 Orchard Road", "Fairhollow", "41904"), (
        ("Owen", "Tate", "male", "1223G0001X"), ("Grace", "Lim", "female", "1223X0400X"))),
    "eye": _Entry("Clearview Eye Care", "OPTC", ("2 Station Road", "Maple Bend", "41901"), (
        ("Harriet", "Blum", "female", "152W00000X"),)),
    "therapy": _Entry("Old Ferry Rehabilitation", "PTWR", ("66 Mill Lane", "Old Ferry", "41908"), (
        ("Dennis", "Kowal", "male", "225100000X"),)),
    # No contract with the plan: whoever goes there pays more.
    "outside": _Entry("Harbor Walk-In Clinic", "PROFF", ("2 Harbor Street", "Old Ferry", "41908"), (
        ("Quentin", "Vale", "male", "207Q00000X"),)),
    "pharmacy": _Entry("Maple Bend Pharmacy", "PHARM", ("14 Maple Street", "Maple Bend", "41901")),
    "mail pharmacy": _Entry("Meridian Mail Pharmacy", "PHARM", ("1 Station Road", "Old Ferry", "41908")),
    "equipment": _Entry("Larkspur Medical Supply", "PROFF", ("23 Garden Street", "Larkspur", "41907")),
    "ambulance": _Entry("Rivermont Ambulance Service", "AMB", ("3 Hill Road", "Rivermont", "41902")),
}  # fmt: skip


_PAID_BY_CHECK = frozenset({"river clinic", "dental", "ambulance"})


@lru_cache(maxsize=4)
def practices(seed: int | str) -> tuple[Practice, ...]:
    """Every group of the plan of `seed` with its numbers, in the plan's order."""
    return tuple(
        Practice(
            made, tax_id(number), npi(number), _vendor_number(number), _phone(number), entry.address, key != "outside"
        )
        for number, (key, entry) in enumerate(_TABLE.items())
        for made in (_group(seed, key, entry),)
    )


def clinician_npis(seed: int | str) -> dict[str, str]:
    """The NPI of every practitioner, by reference."""
    every = (who.reference for made in network(seed).groups.values() for who in made.clinicians)
    return {reference: npi(100 + number) for number, reference in enumerate(every)}


@lru_cache(maxsize=4)
def network(seed: int | str) -> Network:
    """References into the shared resources of the plan of `seed`."""
    groups = {key: _group(seed, key, entry) for key, entry in _TABLE.items()}
    return Network(
        payer=f"Organization/{fhir_id(seed, 'payer')}",
        groups=groups,
        medications={key: f"Medication/{fhir_id(seed, f'medication/{key}')}" for key in MEDICINES},
    )


def known_since(as_of: date) -> str:
    """When the plan last heard of its providers, as FHIR writes it."""
    return f"{as_of.year}-01-05T06:00:00.000Z"


def network_reference(seed: int | str, key: str) -> str | None:
    """The Organization of the network that a group is in; None for a group without a contract."""
    kind = "dental" if key == "dental" else "medical"
    return None if key == "outside" else f"Organization/{fhir_id(seed, f'network/{kind}')}"


def service_reference(seed: int | str, key: str) -> str:
    """The HealthcareService of a group that is in a network."""
    return f"HealthcareService/{fhir_id(seed, f'service/{key}')}"


def endpoint_reference(seed: int | str, key: str) -> str:
    """The Endpoint of a group."""
    return f"Endpoint/{fhir_id(seed, f'endpoint/{key}')}"


def shared(seed: int | str, as_of: date) -> Iterator[Resource]:
    """Every resource that belongs to no member: payer, groups, practitioners, roles, places, endpoints, medications."""
    stamp = known_since(as_of)
    yield _payer(seed, stamp)
    people = 0
    for number, (key, entry) in enumerate(_TABLE.items()):
        yield from _group_resources(seed, key, number, stamp)
        for place in range(len(entry.clinicians)):
            yield from _clinician_resources(seed, key, place, people, stamp)
            people += 1
    for key in MEDICINES:
        yield _medication(seed, key, stamp)


def _group(seed: int | str, key: str, entry: _Entry) -> Group:
    clinicians = tuple(
        Clinician(
            reference=f"Practitioner/{fhir_id(seed, f'practitioner/{key}/{place}')}",
            name=f"{given} {family}",
            gender=gender,
            taxonomy=taxonomy,
        )
        for place, (given, family, gender, taxonomy) in enumerate(entry.clinicians)
    )
    return Group(
        reference=f"Organization/{fhir_id(seed, f'group/{key}')}",
        name=entry.name,
        location=f"Location/{fhir_id(seed, f'location/{key}')}",
        clinicians=clinicians,
        number=list(_TABLE).index(key),
        paid_by_check=key in _PAID_BY_CHECK,
    )


def _payer(seed: int | str, stamp: str) -> Resource:
    naic = {"type": concept(carin_system("C4BBIdentifierType"), "naiccode"), "value": NAIC_CODE}
    return {
        "resourceType": "Organization",
        "id": fhir_id(seed, "payer"),
        "meta": _meta(stamp, carin_profile("C4BB-Organization"), us_core_profile("organization")),
        "identifier": [
            {"type": concept(carin_system("C4BBIdentifierType"), "payerid"), "system": PAYER_ID, "value": PAYER_CODE},
            {**naic, "system": "urn:oid:2.16.840.1.113883.6.300"},
        ],
        "active": True,
        "type": [concept(f"{TERMINOLOGY}/organization-type", "pay", "Payer")],
        "name": PAYER_NAME,
        "telecom": [
            {"system": "phone", "value": "1-555-010-0784"},
            {"system": "url", "value": "https://meridian.example"},
        ],
        "address": [address_of("1 Meridian Plaza", "Maple Bend", "41901")],
    }


def _group_resources(seed: int | str, key: str, number: int, stamp: str) -> Iterator[Resource]:
    entry, made = _TABLE[key], _group(seed, key, _TABLE[key])
    phone = [{"system": "phone", "value": _phone(number), "use": "work"}]
    yield {
        "resourceType": "Organization",
        "id": made.reference.partition("/")[2],
        "meta": _meta(stamp, carin_profile("C4BB-Organization"), us_core_profile("organization")),
        "identifier": [
            _npi(number),
            _tax_id(number),
            {"system": VENDOR_NUMBER, "value": _vendor_number(number)},
        ],
        "active": True,
        "type": [concept(f"{TERMINOLOGY}/organization-type", "prov", "Healthcare Provider")],
        "name": entry.name,
        "telecom": phone,
        "address": [address_of(*entry.address)],
        "endpoint": [reference(endpoint_reference(seed, key))],
    }
    yield _location(made, entry, phone, stamp)
    yield _endpoint(seed, key, made, stamp)


def _location(made: Group, entry: _Entry, phone: list[Resource], stamp: str) -> Resource:
    return {
        "resourceType": "Location",
        "id": made.location.partition("/")[2],
        "meta": _meta(stamp, us_core_profile("location")),
        "status": "active",
        "name": entry.name,
        "type": [concept(f"{TERMINOLOGY}/v3-RoleCode", entry.place)],
        "telecom": list(phone),
        "address": address_of(*entry.address),
        "managingOrganization": reference(made.reference),
    }


def _endpoint(seed: int | str, key: str, made: Group, stamp: str) -> Resource:
    mailbox = "".join(letter for letter in key if letter.isalpha())
    return {
        "resourceType": "Endpoint",
        "id": endpoint_reference(seed, key).partition("/")[2],
        "meta": {"lastUpdated": stamp},
        "status": "active",
        "connectionType": coding(f"{TERMINOLOGY}/endpoint-connection-type", "direct-project", "Direct Project"),
        "managingOrganization": reference(made.reference),
        "payloadType": [concept(f"{TERMINOLOGY}/endpoint-payload-type", "any", "Any")],
        "address": f"mailto:{mailbox}@direct.meridian.example",
    }


def _clinician_resources(seed: int | str, key: str, place: int, number: int, stamp: str) -> Iterator[Resource]:
    entry, made = _TABLE[key], _group(seed, key, _TABLE[key])
    given, family, gender, taxonomy = entry.clinicians[place]
    phone = [{"system": "phone", "value": f"555-211-01{number:02d}", "use": "work"}]
    who = made.clinicians[place]
    # One in three bills under a number of their own.
    identifiers = [_npi(100 + number), _tax_id(100 + number)] if number % 3 == 0 else [_npi(100 + number)]
    yield {
        "resourceType": "Practitioner",
        "id": who.reference.partition("/")[2],
        "meta": _meta(stamp, carin_profile("C4BB-Practitioner"), us_core_profile("practitioner")),
        "identifier": identifiers,
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": phone,
        "gender": gender,
        "address": [address_of(*entry.address)],
    }
    yield {
        "resourceType": "PractitionerRole",
        "id": fhir_id(seed, f"role/{key}/{place}"),
        "meta": _meta(stamp, us_core_profile("practitionerrole")),
        **_in_network(seed, key),
        "active": True,
        "practitioner": reference(who.reference, who.name),
        "organization": reference(made.reference, made.name),
        "code": [concept(TAXONOMY, taxonomy)],
        "specialty": [concept(TAXONOMY, taxonomy)],
        "location": [reference(made.location)],
        "telecom": list(phone),
        "endpoint": [reference(endpoint_reference(seed, key))],
    }


def _in_network(seed: int | str, key: str) -> Resource:
    found = network_reference(seed, key)
    if found is None:
        return {}
    url = f"{PLAN_NET}/StructureDefinition/network-reference"
    return {
        "extension": [{"url": url, "valueReference": reference(found)}],
        "healthcareService": [reference(service_reference(seed, key))],
    }


def _medication(seed: int | str, key: str, stamp: str) -> Resource:
    medicine = MEDICINES[key]
    return {
        "resourceType": "Medication",
        "id": fhir_id(seed, f"medication/{key}"),
        "meta": _meta(stamp, us_core_profile("medication")),
        "code": concept(RXNORM, medicine.rxnorm, medicine.name, medicine.name),
        "status": "active",
    }


def _vendor_number(number: int) -> str:
    return f"V{200_001 + number}"


def _phone(number: int) -> str:
    return f"555-210-01{number:02d}"


def _npi(number: int) -> Resource:
    return {"type": concept(IDENTIFIER_TYPE, "NPI"), "system": NPI, "value": npi(number)}


def _tax_id(number: int) -> Resource:
    return {"type": concept(IDENTIFIER_TYPE, "TAX"), "system": TAX_ID, "value": tax_id(number)}


def address_of(line: str, city: str, postal_code: str) -> Resource:
    """A FHIR Address in the plan's state."""
    return {"line": [line], "city": city, "state": STATE, "postalCode": postal_code, "country": "US"}


def _meta(stamp: str, *profiles: str) -> Resource:
    return {"lastUpdated": stamp, "profile": list(profiles)}
