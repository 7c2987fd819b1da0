"""What is measured at a visit: body measures, blood pressure, pulse; and what is asked: smoking, mood, pregnancy."""

from datetime import date

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.codes import (
    LOINC,
    OBSERVATION_CATEGORY,
    SNOMED,
    Resource,
    coding,
    concept,
    day,
    moment,
    quantity,
    reference,
    us_core_profile,
)
from service.sandbox.plan.story import Event

_GROWN = 18


def write(chart: Chart, visit: Visit) -> None:
    """The vital signs of a visit; at a check-up also what is asked once a year."""
    age = chart.person.age_on(visit.on)
    _blood_pressure(chart, visit, age)
    _pulse(chart, visit, age)
    if visit.episode.event is Event.CHECKUP:
        _body(chart, visit, age)
        _asked(chart, visit, age)
    elif visit.episode.event in (Event.SICK, Event.EMERGENCY):
        _fever(chart, visit)


def observe(
    chart: Chart, visit: Visit, profile: str, category: str, code: Resource, value: Resource, *, full: bool = True
) -> str:
    """Write one Observation; `value` holds value[x], component or dataAbsentReason."""
    fields: Resource = {
        "status": "final",
        "category": [concept(OBSERVATION_CATEGORY, category)],
        "code": code,
        "subject": chart.subject,
        "effectiveDateTime": moment(visit.on, visit.start_minute + 5),
        **value,
    }
    if visit.encounter is not None:
        fields["encounter"] = reference(visit.encounter)
    if full:
        fields["issued"] = moment(visit.on, visit.start_minute + 10)
        fields["performer"] = [reference(visit.site.clinician.reference, visit.site.clinician.name)]
    return chart.add("Observation", visit.on, (us_core_profile(profile),), fields)


def _vital(chart: Chart, visit: Visit, profile: str, loinc: str, words: str, value: Resource) -> None:
    observe(chart, visit, profile, "vital-signs", concept(LOINC, loinc, words, words), value, full=False)


def _blood_pressure(chart: Chart, visit: Visit, age: int) -> None:
    if age < 3:
        return
    rng, high = chart.rng, 12 if "hypertension" in chart.story.problems else 0
    upper = rng.randint(94, 110) if age < _GROWN else rng.randint(110, 134) + high
    lower = rng.randint(56, 70) if age < _GROWN else rng.randint(66, 84) + high // 2
    parts = [
        {"code": concept(LOINC, loinc, words, words), "valueQuantity": quantity(value, "mmHg", "mm[Hg]")}
        for loinc, words, value in (
            ("8480-6", "Systolic blood pressure", upper),
            ("8462-4", "Diastolic blood pressure", lower),
        )
    ]
    _vital(chart, visit, "blood-pressure", "85354-9", "Blood pressure", {"component": parts})


def _pulse(chart: Chart, visit: Visit, age: int) -> None:
    beats = chart.rng.randint(84, 112) if age < 10 else chart.rng.randint(58, 92)
    value = {"valueQuantity": quantity(beats, "beats/minute", "/min")}
    _vital(chart, visit, "heart-rate", "8867-4", "Heart rate", value)


def _body(chart: Chart, visit: Visit, age: int) -> None:
    height, weight = _size(chart, age)
    _vital(chart, visit, "body-height", "8302-2", "Body height", {"valueQuantity": quantity(height, "cm")})
    _vital(chart, visit, "body-weight", "29463-7", "Body weight", {"valueQuantity": quantity(weight, "kg")})
    index = round(weight / (height / 100) ** 2, 1)
    _vital(chart, visit, "bmi", "39156-5", "Body mass index", {"valueQuantity": quantity(index, "kg/m2")})
    if 2 <= age < _GROWN:
        share = {"valueQuantity": quantity(chart.rng.randint(12, 90), "%")}
        observe_pediatric(chart, visit, "pediatric-bmi-for-age", "59576-9", "Body mass index percentile for age", share)
    if age < 3:
        share = {"valueQuantity": quantity(chart.rng.randint(12, 90), "%")}
        observe_pediatric(chart, visit, "pediatric-weight-for-height", "77606-2", "Weight-for-length percentile", share)
        head = {"valueQuantity": quantity(44 + age, "cm")}
        _vital(chart, visit, "head-circumference", "9843-4", "Head circumference", head)
    if chart.rng.random() < 0.4:
        _oxygen(chart, visit)


def observe_pediatric(chart: Chart, visit: Visit, profile: str, loinc: str, words: str, value: Resource) -> None:
    """A growth percentile: these profiles of US Core bear no `us-core-` in their names."""
    made = f"http://hl7.org/fhir/us/core/StructureDefinition/{profile}|6.1.0"
    observe(chart, visit, "vital-signs", "vital-signs", concept(LOINC, loinc, words, words), value, full=False)
    chart.resources[-1]["meta"]["profile"] = [made]


def _size(chart: Chart, age: int) -> tuple[float, float]:
    rng = chart.rng
    # The same person keeps the same height: drawn from who they are, not from the visit.
    tall = int(chart.make_id("height")[:2], 16) / 255
    if age < _GROWN:
        height = 76 + age * 6.1 + tall * 8
        return round(height, 1), round(9 + age * 2.6 + rng.random() * 2 + (age > 11) * 6, 1)
    height = (156 if chart.person.gender == "female" else 168) + tall * 18
    return round(height, 1), round((height - 100) * (0.95 + tall * 0.25) + rng.uniform(-2, 2), 1)


def _fever(chart: Chart, visit: Visit) -> None:
    warm = {"valueQuantity": quantity(round(chart.rng.uniform(36.4, 39.2), 1), "Cel")}
    _vital(chart, visit, "body-temperature", "8310-5", "Body temperature", warm)
    breaths = {"valueQuantity": quantity(chart.rng.randint(13, 22), "breaths/minute", "/min")}
    _vital(chart, visit, "respiratory-rate", "9279-1", "Respiratory rate", breaths)


def _oxygen(chart: Chart, visit: Visit) -> None:
    words = "Oxygen saturation"
    code: Resource = {
        "coding": [coding(LOINC, "2708-6", words), coding(LOINC, "59408-5", "Oxygen saturation by pulse oximetry")],
        "text": words,
    }
    parts = [
        {"code": concept(LOINC, "3151-8", "Inhaled oxygen flow rate"), "valueQuantity": quantity(0, "L/min")},
        {"code": concept(LOINC, "3150-0", "Inhaled oxygen concentration"), "valueQuantity": quantity(21, "%")},
    ]
    value = {"valueQuantity": quantity(chart.rng.randint(94, 99), "%"), "component": parts}
    observe(chart, visit, "pulse-oximetry", "vital-signs", code, value, full=False)


def _asked(chart: Chart, visit: Visit, age: int) -> None:
    if age < 13:
        return
    _smoking(chart, visit)
    _mood(chart, visit)
    if chart.person.gender == "female" and 15 <= age < 50 and _private(chart):
        _pregnancy(chart, visit)
    if age >= _GROWN and chart.rng.random() < 0.3:
        _work(chart, visit)


def _private(chart: Chart) -> bool:
    """Whether the story itself touches the matter: nobody is asked about pregnancy for no reason."""
    return bool({"pregnancy", "contraception"} & set(chart.story.problems))


def _smoking(chart: Chart, visit: Visit) -> None:
    draw = int(chart.make_id("smoking")[:2], 16)
    code, words = ("266919005", "Never smoked") if draw > 60 else ("8517006", "Former smoker")
    value = {"valueCodeableConcept": concept(SNOMED, code, words, words)}
    observe(chart, visit, "smokingstatus", "social-history", concept(LOINC, "72166-2", "Tobacco smoking status"), value)


def _mood(chart: Chart, visit: Visit) -> None:
    low = "depression" in chart.story.problems
    score = chart.rng.randint(2, 5) if low else chart.rng.randint(0, 2)
    words = "Mood questions, sum of two (PHQ-2)"
    value = {"valueQuantity": quantity(score, "{score}")}
    code = concept(LOINC, "55758-7", "Patient Health Questionnaire 2 item (PHQ-2) total score", words)
    observe(chart, visit, "observation-screening-assessment", "survey", code, value)


def _pregnancy(chart: Chart, visit: Visit) -> None:
    none = {"valueCodeableConcept": concept(SNOMED, "60001007", "Not pregnant", "Not pregnant")}
    code = concept(LOINC, "82810-3", "Pregnancy status")
    observe(chart, visit, "observation-pregnancystatus", "social-history", code, none)
    wish = {"valueCodeableConcept": concept(SNOMED, "454411000124108", "Not sure of desire to become pregnant")}
    code = concept(LOINC, "86645-9", "Pregnancy intention in the next year - Reported")
    observe(chart, visit, "observation-pregnancyintent", "social-history", code, wish)


def _work(chart: Chart, visit: Visit) -> None:
    fields: Resource = {
        "status": "final",
        "category": [concept(OBSERVATION_CATEGORY, "social-history")],
        "code": concept(LOINC, "11341-5", "History of Occupation"),
        "subject": chart.subject,
        "effectivePeriod": {"start": day(date(visit.on.year - 4, 1, 1))},
        "valueCodeableConcept": {"text": chart.rng.choice(("Cook", "Driver", "Teacher", "Nurse", "Carpenter"))},
        "component": [
            {
                "code": concept(LOINC, "86188-0", "History of Occupation industry"),
                "valueCodeableConcept": {"text": "Services"},
            }
        ],
    }
    chart.add("Observation", visit.on, (us_core_profile("observation-occupation"),), fields)
