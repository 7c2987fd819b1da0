"""The first twelve members: a fixed cast, one for each case that people and tests look for, with easy names."""

from dataclasses import dataclass
from datetime import date, timedelta

from service.sandbox.plan.coverage import Span
from service.sandbox.plan.people import Person
from service.sandbox.plan.story import Episode, Event, Kin, Story, Twist, last_day

SIZE = 12

# Given, family, gender, age on as_of, month and day of birth, address, town, ZIP, line of business, race, subscriber.
_PEOPLE = (
    ("Anna", "Miller", "female", 42, (3, 14), "21 Maple Street", "Maple Bend", "41901", "Medicaid", "white", 0),
    ("Leo", "Miller", "male", 14, (5, 20), "21 Maple Street", "Maple Bend", "41901", "CHIP", "white", 0),
    ("Mia", "Miller", "female", 8, (2, 9), "21 Maple Street", "Maple Bend", "41901", "CHIP", "white", 0),
    ("Walter", "Green", "male", 81, (1, 30), "6 Oak Lane", "Rivermont", "41902", "Medicare", "white", 3),
    ("Susan", "Green", "female", 55, (7, 4), "8 Oak Lane", "Rivermont", "41902", "Medicaid", "white", 4),
    ("Peter", "Stone", "male", 34, (6, 15), "15 Park Avenue", "Stonebrook", "41903", "Medicaid", "asian", 5),
    ("Grace", "Hill", "female", 38, (4, 22), "40 Hill Road", "Ashford Hills", "41905", "Medicaid", "black", 6),
    ("David", "Young", "male", 66, (3, 1), "3 Garden Street", "Larkspur", "41907", "Medicare", "black", 7),
    ("Julia", "Reed", "female", 31, (8, 8), "77 Lake Drive", "Cedar Point", "41906", "Medicaid", "white", 8),
    ("Thomas", "King", "male", 72, (2, 2), "10 Church Street", "Fairhollow", "41904", "Medicare", "native", 9),
    ("Carmen", "Rivera", "female", 29, (1, 12), "52 River Road", "Rivermont", "41902", "Medicaid", "other", 10),
    ("Henry", "Clark", "male", 79, (9, 9), "1 Mill Lane", "Old Ferry", "41908", "Medicare", "white", 11),
)  # fmt: skip


@dataclass(frozen=True)
class Represents:
    """One member a representative acts for, and why they may."""

    member: int
    basis: str
    """parent, guardian, power of attorney or executor."""
    evidence: str
    """What plan staff saw."""


@dataclass(frozen=True)
class Representative:
    """A person who acts for members: a member themselves, or somebody with a Personal Representative ID."""

    given_name: str
    family_name: str
    birth_date: date
    member: int | None
    personal_representative_id: str | None
    represents: tuple[Represents, ...]


def representatives(as_of: date) -> tuple[Representative, ...]:
    """Everybody of the cast who acts for somebody else."""
    anna, susan = person(0, as_of), person(4, as_of)
    return (
        Representative("Anna", "Miller", anna.birth_date, 0, None, (
            Represents(1, "parent", "Birth certificate"), Represents(2, "parent", "Birth certificate"))),
        Representative("Susan", "Green", susan.birth_date, 4, None, (
            Represents(3, "power of attorney", "Health care power of attorney, signed copy"),)),
        Representative("Helen", "Carter", date(as_of.year - 61, 10, 5), None, "PR-482739", (
            Represents(5, "guardian", "Court order of guardianship"),)),
        Representative("Alice", "Clark", date(as_of.year - 74, 12, 24), None, "PR-593624", (
            Represents(11, "executor", "Letters testamentary"),)),
    )  # fmt: skip


def person(index: int, as_of: date) -> Person:
    """The member of the cast with this index."""
    given, family, gender, age, (month, day_), line, city, zip_code, business, race, subscriber = _PEOPLE[index]
    year = as_of.year - age - ((as_of.month, as_of.day) < (month, day_))
    return Person(
        index=index,
        subscriber=subscriber,
        given_name=given,
        family_name=family,
        gender=gender,
        birth_date=date(year, month, day_),
        address_line=line,
        city=city,
        zip_code=zip_code,
        line_of_business=business,
        race=race,
        hispanic=given == "Carmen",
        language="es" if given == "Carmen" else "en",
        deceased_on=as_of - timedelta(days=200) if given == "Henry" else None,
        moved_on=date(as_of.year - 2, 5, 1) if given == "David" else None,
    )


def spans(index: int, as_of: date) -> tuple[Span, ...]:
    """The coverages of the member of the cast, one after the other."""
    who = person(index, as_of)
    start = date(as_of.year - 4, 1, 1)
    if who.given_name == "Grace":
        return (Span("Medicaid", start, date(as_of.year - 1, 12, 31)),)
    if who.given_name == "David":
        turned = date(who.birth_date.year + 65, who.birth_date.month, 1)
        return (Span("Medicaid", start, turned - timedelta(days=1)), Span("Medicare", turned))
    if who.deceased_on is not None:
        return (Span(who.line_of_business, start, who.deceased_on),)
    return (Span(who.line_of_business, start),)


def story(index: int, as_of: date) -> Story:
    """The story of the member of the cast."""
    who, covered = person(index, as_of), spans(index, as_of)
    end = last_day(who, covered, as_of)
    problems, allergies, device, fills, lines = _TALES[index]
    return Story(
        person=who,
        spans=covered,
        episodes=tuple(sorted(_episodes(lines, end), key=lambda episode: (episode.on, episode.event))),
        problems=problems,
        allergies=allergies,
        device=device,
        kin=_KIN.get(index),
        fills=fills,
        fill_twists=_FILL_TWISTS.get(index, {}),
        last_day=end,
        whole=who.given_name == "Carmen",
    )


def _episodes(lines: str, end: date) -> list[Episode]:
    """One episode a line: `days before the end | event | reason | treatment | twists`."""
    made = []
    for line in lines.strip().splitlines():
        ago, event, reason, detail, twists = (part.strip() for part in line.split("|"))
        found = frozenset(Twist(twist.strip()) for twist in twists.split(",") if twist.strip())
        made.append(Episode(Event(event), end - timedelta(days=int(ago)), reason, detail, found))
    return made


_KIN = {
    1: Kin("Anna", "Miller", ("MTH", "Mother"), "555-200-0100", "21 Maple Street", "Maple Bend", "41901"),
    2: Kin("Anna", "Miller", ("MTH", "Mother"), "555-200-0100", "21 Maple Street", "Maple Bend", "41901"),
    3: Kin("Susan", "Green", ("DAU", "Daughter"), "555-200-0104", "8 Oak Lane", "Rivermont", "41902"),
    5: Kin("Helen", "Carter", ("RESPRSN", "Legal guardian"), "555-220-0151", "9 School Street", "Stonebrook", "41903"),
    9: Kin("Ruth", "King", ("SPS", "Wife"), "555-220-0152", "10 Church Street", "Fairhollow", "41904"),
    10: Kin("Rosa", "Rivera", ("MTH", "Mother"), "555-220-0154", "52 River Road", "Rivermont", "41902"),
    11: Kin("Alice", "Clark", ("SPS", "Wife"), "555-220-0153", "1 Mill Lane", "Old Ferry", "41908"),
}

_FILL_TWISTS = {
    0: {2: Twist.DENIED, 5: Twist.REPLACED},
    3: {1: Twist.REPLACED, 4: Twist.PAID_TO_FAMILY},
    4: {1: Twist.DENIED},
    8: {3: Twist.DENIED},
    10: {1: Twist.DENIED, 2: Twist.REPLACED},
}

# Problems, allergies, device, most fills of a medicine, episodes.
_TALES: tuple[tuple[tuple[str, ...], tuple[str, ...], str | None, int, str], ...] = (
    (("hypertension", "diabetes"), ("penicillin", "pollen"), None, 6, """
        980 | checkup     | checkup          |            |
        905 | sick        | sinusitis        |            |
        870 | dental      | dental checkup   | cleaning   |
        800 | follow-up   | diabetes         |            |
        760 | emergency   | cut hand         |            | replaced
        690 | eyes        | eye exam         |            |
        615 | checkup     | checkup          |            |
        560 | dental      | teeth            | filling    | replaced
        515 | follow-up   | hypertension     |            | replaced
        470 | equipment   | diabetes         |            |
        402 | ambulance   | appendicitis     |            |
        401 | hospital    | appendicitis     |            | whole price
        380 | follow-up   | appendicitis     |            |
        300 | imaging     | mammogram        |            | denied
        250 | checkup     | checkup          |            |
        190 | dental      | dental checkup   | cleaning   |
        150 | sick        | bronchitis       |            | out of network, paid to family
         95 | follow-up   | diabetes         |            | denied
         60 | emergency   | allergic reaction |           |
         20 | follow-up   | hypertension     |            |
    """),
    (("hay fever",), ("peanuts",), None, 3, """
        900 | checkup     | child checkup    |            |
        760 | dental      | dental checkup   | cleaning   |
        640 | emergency   | broken arm       |            |
        540 | checkup     | child checkup    |            |
        420 | dental      | teeth            | braces     |
        280 | counselling | anxiety          |            |
        170 | checkup     | child checkup    |            |
         70 | sick        | strep throat     |            | paid to family
    """),
    (("asthma", "eczema"), ("pollen",), None, 3, """
        950 | checkup     | child checkup    |            |
        840 | sick        | ear infection    |            |
        700 | emergency   | allergic reaction |           |
        590 | checkup     | child checkup    |            |
        450 | dental      | dental checkup   | cleaning   |
        330 | follow-up   | asthma           |            |
        210 | checkup     | child checkup    |            |
        120 | dental      | teeth            | filling    |
         45 | sick        | strep throat     |            | denied
    """),
    (("memory loss", "hypertension", "osteoporosis"), (), "knee", 5, """
        960 | checkup     | checkup          |            |
        850 | imaging     | bone density     |            |
        720 | dental      | teeth            | bridge     |
        601 | ambulance   | hip fracture     |            |
        600 | hospital    | hip fracture     |            |
        560 | equipment   | hip fracture     |            | paid to family
        540 | follow-up   | hip fracture     |            |
        500 | checkup     | checkup          |            |
        410 | day surgery | cataract         |            | whole price
        290 | follow-up   | memory loss      |            |
        140 | checkup     | checkup          |            |
         65 | ride        | memory loss      |            |
         30 | follow-up   | memory loss      |            |
    """),
    (("cholesterol", "knee arthritis"), ("shellfish",), None, 4, """
        930 | checkup     | checkup          |            |
        810 | imaging     | mammogram        |            |
        700 | dental      | teeth            | gums       |
        580 | checkup     | checkup          |            |
        455 | day surgery | colon screening  |            | whole price, replaced
        340 | follow-up   | knee arthritis   |            | out of network
        220 | checkup     | checkup          |            |
        130 | dental      | teeth            | extraction | denied
         50 | sick        | back pain        |            |
    """),
    (("down syndrome", "epilepsy", "hay fever"), (), None, 3, """
        940 | checkup     | checkup          |            |
        780 | ride        | epilepsy         |            |
        779 | follow-up   | epilepsy         |            |
        600 | checkup     | checkup          |            |
        430 | emergency   | concussion       |            |
        310 | dental      | teeth            | filling    |
        235 | checkup     | checkup          |            |
        100 | follow-up   | epilepsy         |            |
         99 | ride        | epilepsy         |            | denied
    """),
    (("anemia",), (), None, 4, """
        700 | checkup     | checkup          |            |
        520 | sick        | bladder infection |           |
        430 | dental      | dental checkup   | cleaning   |
        330 | checkup     | checkup          |            |
        150 | sick        | sinusitis        |            |
         60 | follow-up   | anemia           |            |
    """),
    (("cholesterol", "gout"), ("bee",), None, 5, """
        980 | checkup     | checkup          |            |
        830 | emergency   | chest pain       |            |
        760 | follow-up   | gout             |            |
        610 | checkup     | checkup          |            |
        480 | day surgery | colon screening  |            |
        350 | dental      | teeth            | extraction |
        240 | checkup     | checkup          |            |
        110 | sick        | bronchitis       |            |
         40 | follow-up   | cholesterol      |            |
    """),
    (("opioid use", "depression", "contraception"), (), None, 4, """
        970 | checkup     | checkup          |            |
        860 | counselling | opioid use       |            |
        845 | counselling | opioid use       |            |
        700 | counselling | depression       |            | denied
        640 | follow-up   | contraception    |            |
        560 | hospital    | pneumonia        |            |
        480 | checkup     | checkup          |            |
        360 | counselling | opioid use       |            |
        260 | counselling | depression       |            |
        180 | dental      | dental checkup   | cleaning   |
         90 | follow-up   | contraception    |            |
         35 | counselling | opioid use       |            |
    """),
    (("heart block", "heart failure", "atrial fibrillation", "diabetes"), ("latex",), "pacemaker", 4, """
        990 | checkup     | checkup          |            |
        901 | ambulance   | heart block      |            |
        900 | hospital    | heart block      |            | replaced
        860 | follow-up   | heart block      |            |
        700 | checkup     | checkup          |            |
        590 | hospital    | stroke           |            | denied
        500 | follow-up   | heart failure    |            |
        380 | equipment   | diabetes         |            | replaced
        300 | checkup     | checkup          |            |
        210 | follow-up   | atrial fibrillation |         |
         80 | emergency   | chest pain       |            | denied
    """),
    (("pregnancy", "eczema"), ("penicillin",), "cochlear", 4, """
        940 | emergency   | broken arm       |            | replaced
        880 | dental      | teeth            | gums       |
        820 | emergency   | chest pain       |            | denied
        760 | day surgery | colon screening  |            | whole price
        700 | dental      | teeth            | braces     |
        620 | checkup     | checkup          |            |
        480 | follow-up   | pregnancy        |            |
        420 | follow-up   | pregnancy        |            | replaced
        415 | ride        | pregnancy        |            |
        360 | follow-up   | pregnancy        |            |
        301 | ambulance   | childbirth       |            |
        300 | hospital    | childbirth       |            | whole price
        250 | follow-up   | pregnancy        |            |
        235 | equipment   | pregnancy        |            |
        200 | hospital    | hearing loss     |            | replaced
        180 | dental      | teeth            | bridge     | replaced
        160 | dental      | dental checkup   | cleaning   |
         90 | checkup     | checkup          |            |
         30 | sick        | sore throat      |            |
    """),
    (("lung disease", "heart failure"), (), None, 4, """
        700 | checkup     | checkup          |            |
        560 | follow-up   | lung disease     |            |
        430 | hospital    | pneumonia        |            |
        400 | follow-up   | lung disease     |            |
        280 | checkup     | checkup          |            |
        120 | follow-up   | heart failure    |            |
         15 | hospital    | pneumonia        |            |
    """),
)  # fmt: skip
