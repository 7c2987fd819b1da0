"""Measured as a baby and a child: records of years before the plan, which came from the payer before."""

from datetime import date, timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.codes import (
    DATA_ABSENT,
    LOINC,
    OBSERVATION_CATEGORY,
    US_CORE,
    Resource,
    concept,
    moment,
    quantity,
    us_core_profile,
)

# Profile, LOINC, words, value, unit, years of age.
_MEASURED = (
    ("us-core-head-circumference", "9843-4", "Head circumference", 46.0, "cm", 1),
    ("head-occipital-frontal-circumference-percentile", "8289-1", "Head circumference percentile", 54.0, "%", 1),
    ("pediatric-weight-for-height", "77606-2", "Weight-for-length percentile", 61.0, "%", 1),
    ("pediatric-bmi-for-age", "59576-9", "Body mass index percentile for age", 58.0, "%", 9),
)


def write_growth(chart: Chart) -> None:
    """Each measure once with its value, and once with why there is none."""
    for profile, loinc, words, value, unit, years in _MEASURED:
        on = date(chart.person.birth_date.year + years, 9, 4)
        code = concept(LOINC, loinc, words, words)
        _observe(chart, profile, on, code, {"valueQuantity": quantity(value, unit)})
        absent = concept(DATA_ABSENT, "not-performed", "Not Performed", "The child would not keep still")
        _observe(chart, profile, on + timedelta(days=180), code, {"dataAbsentReason": absent})


def _observe(chart: Chart, profile: str, on: date, code: Resource, value: Resource) -> None:
    named = us_core_profile(profile.removeprefix("us-core-"))
    if not profile.startswith("us-core-"):
        # Growth percentiles bear no `us-core-` in their names.
        named = f"{US_CORE}/StructureDefinition/{profile}|6.1.0"
    chart.add("Observation", on, (named,), {
        "status": "final", "category": [concept(OBSERVATION_CATEGORY, "vital-signs")], "code": code,
        "subject": chart.subject, "effectiveDateTime": moment(on, 600), **value,
    })  # fmt: skip
