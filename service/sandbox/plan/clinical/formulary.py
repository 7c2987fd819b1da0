"""The medicines of the sandbox plan: RxNorm codes and names beside NDCs of a labeler that does not exist."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Medicine:
    """A product a pharmacy hands out; the NDC is of the fictitious labeler 99999."""

    rxnorm: str
    product: str
    """Product and package part of the NDC, six digits."""
    name: str
    instruction: str
    per_day: int
    quantity: int
    days: int
    refills: int
    cents: int
    """Usual price of one fill."""
    reason: str
    brand: bool = False
    unit: str = "{tablet}"

    @property
    def ndc(self) -> str:
        """Eleven digits."""
        return f"99999{self.product}"


MEDICINES = {
    "lisinopril": Medicine(
        "314076", "010190",
        "lisinopril 10 MG Oral Tablet",
        "Take one tablet by mouth every morning",
        1, 90, 90, 3, 1890, "hypertension"),
    "metformin": Medicine(
        "860975", "010290",
        "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet",
        "Take two tablets by mouth with supper",
        2, 180, 90, 3, 3240, "diabetes"),
    "simvastatin": Medicine(
        "312961", "010390",
        "simvastatin 20 MG Oral Tablet",
        "Take one tablet by mouth at bedtime",
        1, 90, 90, 3, 2475, "cholesterol"),
    "albuterol": Medicine(
        "745679", "010401",
        "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler",
        "Inhale two puffs every four hours if needed for wheezing",
        4, 1, 30, 5, 5820, "asthma", True, "{inhaler}"),
    "fluticasone": Medicine(
        "895994", "010501",
        "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler",
        "Inhale two puffs in the morning and in the evening",
        4, 1, 30, 5, 19840, "asthma", True, "{inhaler}"),
    "naproxen": Medicine(
        "198014", "010660",
        "naproxen 500 MG Oral Tablet",
        "Take one tablet by mouth twice a day with food",
        2, 60, 30, 2, 1560, "knee arthritis"),
    "warfarin": Medicine(
        "855332", "010730",
        "warfarin sodium 5 MG Oral Tablet",
        "Take one tablet by mouth every evening",
        1, 30, 30, 11, 1240, "atrial fibrillation"),
    "metoprolol": Medicine(
        "866414", "010830",
        "24 HR metoprolol succinate 100 MG Extended Release Oral Tablet [Toprol]",
        "Take one tablet by mouth every morning",
        1, 30, 30, 11, 8890, "heart failure", True),
    "alendronate": Medicine(
        "904419", "010930",
        "alendronic acid 10 MG Oral Tablet",
        "Take one tablet by mouth in the morning with a full glass of water",
        1, 30, 30, 11, 2190, "osteoporosis"),
    "allopurinol": Medicine(
        "197319", "011090",
        "allopurinol 100 MG Oral Tablet",
        "Take one tablet by mouth every day",
        1, 90, 90, 3, 2310, "gout"),
    "iron": Medicine(
        "310325", "011190",
        "ferrous sulfate 325 MG Oral Tablet",
        "Take one tablet by mouth every day",
        1, 90, 90, 3, 980, "anemia"),
    "galantamine": Medicine(
        "310436", "011260",
        "galantamine 4 MG Oral Tablet",
        "Take one tablet by mouth twice a day with meals",
        2, 60, 30, 11, 6480, "memory loss"),
    "salmeterol": Medicine(
        "896209", "011301",
        "60 ACTUAT fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler",
        "Inhale once in the morning and once in the evening",
        2, 1, 30, 5, 31250, "lung disease", True, "{inhaler}"),
    "fexofenadine": Medicine(
        "997488", "011460",
        "fexofenadine hydrochloride 30 MG Oral Tablet",
        "Take one tablet by mouth twice a day in the season",
        2, 60, 30, 2, 1420, "hay fever"),
    "hydrocortisone": Medicine(
        "106258", "011501",
        "hydrocortisone 10 MG/ML Topical Cream",
        "Put a thin layer on the skin twice a day",
        2, 30, 30, 2, 890, "eczema", False, "g"),
    "buprenorphine": Medicine(
        "351267", "011630",
        "buprenorphine 8 MG / naloxone 2 MG Sublingual Tablet",
        "Let one tablet melt under the tongue every day",
        1, 30, 30, 5, 11750, "opioid use"),
    "sertraline": Medicine(
        "312941", "011730",
        "sertraline 50 MG Oral Tablet",
        "Take one tablet by mouth every morning",
        1, 30, 30, 11, 1680, "depression"),
    "norethindrone": Medicine(
        "831533", "011828",
        "Errin 28 Day Pack",
        "Take one tablet by mouth at the same time every day",
        1, 84, 84, 3, 5970, "contraception", True),
    "prenatal iron": Medicine(
        "310325", "011930",
        "ferrous sulfate 325 MG Oral Tablet",
        "Take one tablet by mouth every day",
        1, 30, 30, 8, 620, "pregnancy"),
    "amoxicillin": Medicine(
        "308182", "012030",
        "amoxicillin 250 MG Oral Capsule",
        "Take one capsule by mouth three times a day for ten days",
        3, 30, 10, 0, 1280, "ear infection", False, "{capsule}"),
    "penicillin": Medicine(
        "834102", "012120",
        "penicillin V potassium 500 MG Oral Tablet",
        "Take one tablet by mouth twice a day for ten days",
        2, 20, 10, 0, 1190, "strep throat"),
    "oxycodone": Medicine(
        "1049221", "012212",
        "acetaminophen 325 MG / oxycodone hydrochloride 5 MG Oral Tablet",
        "Take one tablet by mouth every six hours if needed for pain",
        4, 12, 3, 0, 1450, "appendicitis"),
    "compound cream": Medicine(
        "106258", "012360",
        "hydrocortisone 10 MG/ML Topical Cream",
        "Put a thin layer on the skin twice a day",
        2, 60, 30, 1, 6400, "eczema", False, "g"),
}  # fmt: skip

ACUTE_MEDICINES = {
    "ear infection": "amoxicillin",
    "strep throat": "penicillin",
    "appendicitis": "oxycodone",
}
