"""Whose the share is that the plan does not pay: the member's own, and never that of who acts for them."""

from html import unescape
from typing import Any

import pytest

from tests.factories import make_account
from tests.fhir import records
from tests.member.pages import Reader, represent
from tests.member.test_my_information import ADJUDICATION, load, priced
from tests.oauth.desk import Desk
from tests.papers import words_of

_OWN = {
    "en": (
        "Your share", "all of it is your share", "Deductible (your share)", "Copay (your share)",
        "Coinsurance (your share)", "Already paid by you", "the plan and you pay together", "your share was",
    ),
    "es": (
        "Su parte", "todo le corresponde a usted", "Deducible (su parte)", "Copago (su parte)", "Coseguro (su parte)",
        "Ya pagado por usted", "el plan y usted pagan juntos", "a usted le correspondió",
    ),
}  # fmt: skip
_OTHERS = {
    "en": (
        "Member's share", "all of it is the member's share", "Deductible (member's share)", "Copay (member's share)",
        "Coinsurance (member's share)", "Already paid by the member", "the plan and the member pay together",
        "the member's share was",
    ),
    "es": (
        "Parte del miembro", "todo le corresponde al miembro", "Deducible (parte del miembro)",
        "Copago (parte del miembro)", "Coseguro (parte del miembro)", "Ya pagado por el miembro",
        "el plan y el miembro pagan juntos", "al miembro le correspondió",
    ),
}  # fmt: skip


def _reduced(claim_id: str, patient: str) -> dict[str, Any]:
    made = priced(claim_id, patient, "2025-03-04", paid="100", owed="60")
    c4bb = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication"
    more = {"deductible": ADJUDICATION, "copay": ADJUDICATION, "coinsurance": c4bb, "paidbypatient": c4bb}
    made["total"] += [
        {"category": records.concept(system, code), "amount": {"value": 15.0, "currency": "USD"}}
        for code, system in more.items()
    ]
    return made


def _told(reader: Reader, language: str) -> tuple[str, str]:
    """All pages of costs, and the paper, as they read."""
    reader.get(f"/help?lang={language}")
    paths = ("claims", "claims/2025", "claims/claim/reduced", "claims/claim/owed")
    pages = "\n".join(unescape(reader.get(f"/my-information/{path}").text) for path in paths)
    return pages, words_of(reader.take("/my-information/download/record.pdf").data).replace("\\", "")


@pytest.mark.parametrize("language", ["en", "es"])
def test_costs_are_told_as_the_members_to_who_acts_for_them(desk: Desk, language: str) -> None:
    patient = desk.member.patient_id
    load(
        desk, records.patient(patient), records.coverage(patient), _reduced("reduced", patient),
        priced("owed", patient, "2025-04-04", paid="0", owed="200"),
    )  # fmt: skip
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)

    own, own_paper = _told(Reader(desk, desk.account), language)
    others, others_paper = _told(Reader(desk, dana), language)

    for said in _OWN[language]:
        assert said in own and said not in others, said
    for said in _OTHERS[language]:
        assert said in others and said not in own, said
    mine, theirs = _OWN[language][:2], _OTHERS[language][:2]
    assert all(one in own_paper and one not in others_paper for one in mine)
    assert all(one in others_paper and one not in own_paper for one in theirs)
