"""What happens to people of the sandbox plan: conditions, vaccines, allergies.

Words are plain so that a member of seventy can read them; codes are those of SNOMED CT, ICD-10-CM and CVX.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A diagnosis."""

    snomed: str
    words: str
    icd10: str


@dataclass(frozen=True)
class Problem:
    """A lasting condition with what is taken for it and what is measured."""

    reason: Reason
    medicines: tuple[str, ...] = ()
    panel: str | None = None
    group: str | None = None
    """Key of the specialists who follow it; the member's own doctor when none."""


PROBLEMS = {
    "hypertension": Problem(Reason("38341003", "High blood pressure", "I10"), ("lisinopril",), "basic metabolic"),
    "diabetes": Problem(Reason("44054006", "Type 2 diabetes", "E11.9"), ("metformin",), "diabetes"),
    "cholesterol": Problem(Reason("55822004", "High cholesterol", "E78.5"), ("simvastatin",), "lipids"),
    "asthma": Problem(Reason("195967001", "Asthma", "J45.909"), ("albuterol", "fluticasone")),
    "knee arthritis": Problem(Reason("239873007", "Arthritis of the knee", "M17.9"), ("naproxen",), None, "therapy"),
    "atrial fibrillation": Problem(
        Reason("49436004", "Irregular heartbeat (atrial fibrillation)", "I48.91"),
        ("warfarin",), "clotting", "cardiology"),
    "heart failure": Problem(
        Reason("88805009", "Chronic heart failure", "I50.9"), ("metoprolol",), "basic metabolic", "cardiology"),
    "osteoporosis": Problem(Reason("64859006", "Weak bones (osteoporosis)", "M81.0"), ("alendronate",)),
    "gout": Problem(Reason("90560007", "Gout", "M10.9"), ("allopurinol",)),
    "anemia": Problem(Reason("271737000", "Anemia", "D64.9"), ("iron",), "blood count"),
    "memory loss": Problem(Reason("26929004", "Alzheimer's disease", "G30.9"), ("galantamine",)),
    "lung disease": Problem(
        Reason("185086009", "Chronic obstructive lung disease", "J44.9"), ("salmeterol",)),
    "hay fever": Problem(Reason("367498001", "Hay fever", "J30.2"), ("fexofenadine",)),
    "eczema": Problem(Reason("24079001", "Eczema", "L20.9"), ("hydrocortisone", "compound cream")),
    "epilepsy": Problem(Reason("84757009", "Epilepsy", "G40.909")),
    "down syndrome": Problem(Reason("41040004", "Down syndrome", "Q90.9")),
    "opioid use": Problem(
        Reason("75544000", "Opioid dependence", "F11.20"), ("buprenorphine",), "drug screen", "behavioral"),
    "depression": Problem(Reason("66344007", "Recurrent depression", "F33.1"), ("sertraline",), None, "behavioral"),
    "anxiety": Problem(Reason("21897009", "Generalized anxiety", "F41.1"), ("sertraline",), None, "behavioral"),
    "attention deficit": Problem(Reason("192127007", "Attention deficit disorder", "F90.9"), (), None, "behavioral"),
    "contraception": Problem(Reason("13197004", "Birth control", "Z30.41"), ("norethindrone",), None, "women"),
    "pregnancy": Problem(Reason("72892002", "Normal pregnancy", "Z34.90"), ("prenatal iron",), "blood count", "women"),
    "heart block": Problem(Reason("27885002", "Complete heart block", "I44.2"), (), None, "cardiology"),
}  # fmt: skip

REASONS = {
    "checkup": Reason("185349003", "General check-up", "Z00.00"),
    "child checkup": Reason("185349003", "Child check-up", "Z00.129"),
    "sinusitis": Reason("444814009", "Sinus infection", "J01.90"),
    "sore throat": Reason("195662009", "Sore throat", "J02.9"),
    "strep throat": Reason("43878008", "Strep throat", "J02.0"),
    "bronchitis": Reason("10509002", "Acute bronchitis", "J20.9"),
    "ear infection": Reason("65363002", "Ear infection", "H66.90"),
    "bladder infection": Reason("38822007", "Bladder infection", "N30.90"),
    "back pain": Reason("161891005", "Back pain", "M54.50"),
    "ankle sprain": Reason("44465007", "Sprained ankle", "S93.409A"),
    "cut hand": Reason("284549007", "Cut on the hand", "S61.419A"),
    "broken arm": Reason("65966004", "Broken forearm", "S52.90XA"),
    "concussion": Reason("62106007", "Concussion", "S06.0X0A"),
    "allergic reaction": Reason("241929008", "Allergic reaction", "T78.40XA"),
    "chest pain": Reason("29857009", "Chest pain", "R07.9"),
    "appendicitis": Reason("74400008", "Appendicitis", "K37"),
    "pneumonia": Reason("233604007", "Pneumonia", "J18.9"),
    "hip fracture": Reason("359817006", "Broken hip", "S72.009A"),
    "stroke": Reason("230690007", "Stroke", "I63.9"),
    "childbirth": Reason("72892002", "Birth of a child", "O80"),
    "colon screening": Reason("68496003", "Polyp of the colon", "K63.5"),
    "hearing loss": Reason("15188001", "Hearing loss", "H90.3"),
    "cataract": Reason("193570009", "Cataract", "H26.9"),
    "mammogram": Reason("24623002", "Screening for breast cancer", "Z12.31"),
    "bone density": Reason("64859006", "Weak bones (osteoporosis)", "M81.0"),
    "eye exam": Reason("57190000", "Near-sightedness", "H52.13"),
    "teeth": Reason("80967001", "Tooth decay", "K02.9"),
    "dental checkup": Reason("185349003", "Dental check-up", "Z01.20"),
}
REASONS.update({key: problem.reason for key, problem in PROBLEMS.items()})

VACCINES = {
    "flu": ("140", "Influenza, seasonal, injectable, preservative free"),
    "td": ("113", "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed"),
    "shingles": ("121", "zoster vaccine, live"),
    "pneumonia": ("133", "Pneumococcal conjugate vaccine, 13 valent"),
    "hpv": ("62", "HPV, quadrivalent"),
    "meningitis": ("114", "meningococcal MCV4P"),
    "mmr": ("03", "MMR"),
    "dtap": ("20", "DTaP"),
    "polio": ("10", "IPV"),
    "chickenpox": ("21", "varicella"),
}

ALLERGIES = {
    "peanuts": ("91935009", "Allergy to peanuts", "food", "126485001", "Hives"),
    "shellfish": ("300913006", "Shellfish allergy", "food", "126485001", "Hives"),
    "latex": ("300916003", "Latex allergy", "environment", "271807003", "Skin rash"),
    "bee": ("424213003", "Allergy to bee venom", "environment", "65124004", "Swelling"),
    "penicillin": ("91936005", "Allergy to penicillin", "medication", "271807003", "Skin rash"),
    "pollen": ("419263009", "Allergy to tree pollen", "environment", "418290006", "Itching"),
}
NO_KNOWN_ALLERGY = ("716186003", "No known allergy")
