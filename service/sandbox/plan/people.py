"""People of the sandbox plan: who they are, where they live, and their Patient resource."""

from dataclasses import dataclass
from datetime import date
from random import Random

from service.sandbox.plan.codes import (
    CARIN,
    DATA_ABSENT_EXTENSION,
    IDENTIFIER_TYPE,
    MEMBER_NUMBER,
    UNIQUE_MEMBER_ID,
    US_CORE,
    Resource,
    coding,
    concept,
    day,
)
from service.sandbox.plan.identifiers import member_number

GIRLS = ("Abigail", "Alice", "Amy", "Beth", "Bella", "Clara", "Diana", "Edith", "Ella", "Emma", "Faith", "Fiona",
         "Gina", "Hannah", "Hope", "Iris", "Ivy", "Jane", "Joan", "Kate", "Laura", "Lily", "Lucy", "Megan", "Nina",
         "Nora", "Olive", "Paula", "Rachel", "Rosa", "Ruby", "Sara", "Sofia", "Tara", "Vera", "Wendy",
         "Zoe")  # fmt: skip
BOYS = ("Adam", "Alan", "Ben", "Brian", "Caleb", "Carl", "Daniel", "Dean", "Eric", "Evan", "Felix", "Frank", "George",
        "Glen", "Hugo", "Ian", "Ivan", "Jack", "James", "Joel", "Karl", "Keith", "Liam", "Lucas", "Mark", "Martin",
        "Neil", "Noah", "Oscar", "Owen", "Paul", "Ray", "Ross", "Sam", "Simon", "Toby", "Victor", "Wayne")  # fmt: skip
FAMILIES = ("Abbott", "Archer", "Bell", "Berry", "Bird", "Brook", "Burns", "Chase", "Cole", "Cross", "Dale", "Day",
            "Drake", "Ellis", "Finch", "Fisher", "Flint", "Ford", "Fox", "Frost", "Gibbs", "Glenn", "Hale", "Hart",
            "Hayes", "Holt", "Hunt", "James", "Jordan", "Knight", "Lake", "Lane", "Marsh", "Moss", "North", "Page",
            "Park", "Perez", "Pond", "Price", "Ramos", "Rice", "Rose", "Santos", "Sharp", "Snow", "Swan", "Torres",
            "Vale", "Wade", "Ward", "Webb", "West", "Winter", "Wood", "York")  # fmt: skip
STREETS = ("Maple Street", "Oak Lane", "River Road", "Church Street", "Hill Road", "Park Avenue", "Mill Lane",
           "Garden Street", "Lake Drive", "Orchard Road", "School Street", "Station Road")  # fmt: skip
# Invented towns; ZIP codes of a prefix (419) that the Postal Service has not given to any place.
TOWNS = (("Maple Bend", "41901"), ("Rivermont", "41902"), ("Stonebrook", "41903"), ("Fairhollow", "41904"),
         ("Ashford Hills", "41905"), ("Cedar Point", "41906"), ("Larkspur", "41907"),
         ("Old Ferry", "41908"))  # fmt: skip
STATE = "KY"

_RACES = {
    "white": ("2106-3", "White"),
    "black": ("2054-5", "Black or African American"),
    "asian": ("2028-9", "Asian"),
    "native": ("1002-5", "American Indian or Alaska Native"),
    "other": ("2131-1", "Other Race"),
}
RACES = tuple(_RACES)
_OMB = "urn:oid:2.16.840.1.113883.6.238"


@dataclass(frozen=True)
class Person:
    """One member: what the roster and the Patient resource say of them."""

    index: int
    subscriber: int
    """Index of the member whose coverage it is: their own, or a parent's (never a higher one)."""
    given_name: str
    family_name: str
    gender: str
    birth_date: date
    address_line: str
    city: str
    zip_code: str
    line_of_business: str
    race: str = "white"
    hispanic: bool = False
    language: str = "en"
    deceased_on: date | None = None
    moved_on: date | None = None

    @property
    def number(self) -> str:
        """Member number."""
        return member_number(self.index)

    @property
    def phone(self) -> str:
        """A number of the fictitious exchange 555-01xx."""
        return f"555-{200 + self.index // 100 % 700}-01{self.index % 100:02d}"

    @property
    def email(self) -> str:
        """The e-mail on file; members after the fixed cast carry their index, so that none is twice."""
        name = f"{self.given_name}.{self.family_name}".lower().replace(" ", "")
        return f"{name}@example.org" if self.index < 12 else f"{name}.{self.index}@example.org"

    def age_on(self, on: date) -> int:
        """Whole years of age."""
        return years_between(self.birth_date, on)


def years_between(birth_date: date, on: date) -> int:
    """Whole years from one date to another."""
    return on.year - birth_date.year - ((on.month, on.day) < (birth_date.month, birth_date.day))


def random_name(rng: Random, gender: str) -> str:
    """A given name."""
    return rng.choice(GIRLS if gender == "female" else BOYS)


def random_birth_date(rng: Random, as_of: date, youngest: int, oldest: int) -> date:
    """A birth date that gives an age between the two, in whole years, on `as_of`."""
    age = rng.randint(youngest, oldest)
    return date(as_of.year - age - 1, rng.randint(1, 12), rng.randint(1, 28))


def patient_fields(person: Person) -> Resource:
    """The Patient resource but for id and meta (C4BB-Patient and US Core Patient)."""
    fields: Resource = {
        "extension": _extensions(person),
        "identifier": [_member_number(person), _unique_member_id(person)],
        "active": person.deceased_on is None,
        "name": [{"use": "official", "family": person.family_name, "given": [person.given_name]}],
        "telecom": _telecom(person),
        "gender": person.gender,
        "birthDate": day(person.birth_date),
        "address": _addresses(person),
        "communication": [{"language": _language(person.language), "preferred": True}],
    }
    if person.deceased_on is not None:
        fields["deceasedDateTime"] = day(person.deceased_on)
    return fields


def _extensions(person: Person) -> list[Resource]:
    race = _RACES[person.race]
    ethnicity = ("2135-2", "Hispanic or Latino") if person.hispanic else ("2186-5", "Not Hispanic or Latino")
    return [
        _omb_extension("us-core-race", *race),
        _omb_extension("us-core-ethnicity", *ethnicity),
        {
            "url": f"{US_CORE}/StructureDefinition/us-core-birthsex",
            "valueCode": "F" if person.gender == "female" else "M",
        },
    ]


def _omb_extension(name: str, code: str, text: str) -> Resource:
    return {
        "url": f"{US_CORE}/StructureDefinition/{name}",
        "extension": [
            {"url": "ombCategory", "valueCoding": coding(_OMB, code, text)},
            {"url": "text", "valueString": text},
        ],
    }


def _member_number(person: Person) -> Resource:
    kind = concept(IDENTIFIER_TYPE, "MB", text="Member number")
    return {"type": kind, "system": MEMBER_NUMBER, "value": person.number}


def _unique_member_id(person: Person) -> Resource:
    kind = concept(f"{CARIN}/CodeSystem/C4BBIdentifierType", "um", text="Unique member id")
    return {"type": kind, "system": UNIQUE_MEMBER_ID, "value": f"{person.number}-U"}


def _telecom(person: Person) -> list[Resource]:
    return [
        {"system": "phone", "value": person.phone, "use": "home"},
        {"system": "email", "value": person.email, "use": "home"},
    ]


def _addresses(person: Person) -> list[Resource]:
    start = person.moved_on or person.birth_date
    here = _address(person.address_line, person.city, person.zip_code)
    here["period"] = {"start": day(start)}
    if person.moved_on is None:
        return [{"use": "home", **here}]
    before = _address("4 Harbor Street", "Old Ferry", "41908")
    # When they came to the earlier address is not known: the extension says so (US Core, missing data).
    absent = {"extension": [{"url": DATA_ABSENT_EXTENSION, "valueCode": "unknown"}]}
    before["period"] = {"_start": absent, "end": day(person.moved_on)}
    return [{"use": "home", **here}, {"use": "old", **before}]


def _address(line: str, city: str, zip_code: str) -> Resource:
    return {"line": [line], "city": city, "state": STATE, "postalCode": zip_code, "country": "US"}


def _language(language: str) -> Resource:
    name = {"en": "English", "es": "Spanish"}[language]
    return concept("urn:ietf:bcp:47", language, name, name)
