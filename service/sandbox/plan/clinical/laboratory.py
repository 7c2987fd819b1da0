"""Tests of the sandbox plan and the values they come out with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One laboratory or survey value: LOINC, words, unit and the range it is drawn from."""

    loinc: str
    words: str
    unit: str
    low: float
    high: float
    digits: int = 1


@dataclass(frozen=True)
class Panel:
    """Tests that are reported together."""

    loinc: str
    words: str
    measures: tuple[Measure, ...]
    reason: str | None = None
    """Key of the condition it is taken for, where the panel tells nothing else by its codes."""


PANELS = {
    "basic metabolic": Panel("51990-0", "Basic metabolic panel", (
        Measure("2345-7", "Glucose in blood", "mg/dL", 78, 118, 0),
        Measure("2160-0", "Creatinine in blood", "mg/dL", 0.6, 1.3, 2),
        Measure("2951-2", "Sodium in blood", "mmol/L", 136, 144, 0),
        Measure("2823-3", "Potassium in blood", "mmol/L", 3.6, 4.9))),
    "diabetes": Panel("55399-0", "Diabetes tests", (
        Measure("4548-4", "Hemoglobin A1c", "%", 5.9, 8.4),
        Measure("2345-7", "Glucose in blood", "mg/dL", 96, 188, 0),
        Measure("2160-0", "Creatinine in blood", "mg/dL", 0.6, 1.4, 2))),
    "lipids": Panel("57698-3", "Cholesterol tests", (
        Measure("2093-3", "Total cholesterol", "mg/dL", 150, 244, 0),
        Measure("2571-8", "Triglycerides", "mg/dL", 80, 210, 0),
        Measure("2085-9", "HDL cholesterol", "mg/dL", 38, 68, 0),
        Measure("18262-6", "LDL cholesterol", "mg/dL", 70, 162, 0))),
    "blood count": Panel("58410-2", "Complete blood count", (
        Measure("718-7", "Hemoglobin", "g/dL", 10.8, 15.9),
        Measure("6690-2", "White blood cells", "10*3/uL", 4.2, 10.4),
        Measure("777-3", "Platelets", "10*3/uL", 160, 380, 0))),
    "clotting": Panel("34528-0", "Clotting tests", (
        Measure("6301-6", "INR in blood", "{INR}", 1.9, 3.2),
        Measure("5902-2", "Prothrombin time", "s", 18, 32))),
    "drug screen": Panel("65750-2", "Drug screen, urine", (
        Measure("3426-4", "Tetrahydrocannabinol in urine", "ng/mL", 0, 20, 0),
        Measure("3879-4", "Opiates in urine", "ng/mL", 0, 60, 0)), "opioid use"),
}  # fmt: skip
