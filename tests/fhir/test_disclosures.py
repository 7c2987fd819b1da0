"""The audit row of what was disclosed."""

from sqlalchemy import Engine, select

from service.audit import AuditEvent
from service.db import make_sessions
from tests.fhir.conftest import Api


def test_each_disclosure_is_one_row_committed_with_it(api: Api, engine: Engine) -> None:
    api.get(f"Patient/{api.patient_id}")
    api.get("ExplanationOfBenefit?_include=ExplanationOfBenefit:provider")
    with make_sessions(engine)() as session:
        rows = session.scalars(
            select(AuditEvent).where(AuditEvent.tag.startswith("fhir:"), AuditEvent.grant_id.is_not(None))
        ).all()

    assert [(row.tag, row.count, row.outcome) for row in rows] == [
        ("fhir:Patient:read", 1, "success"), ("fhir:ExplanationOfBenefit:search", 4, "success"),
    ]  # fmt: skip
    assert rows[1].detail is not None
    assert rows[1].detail["parameters"] == ["_include"]
    assert rows[1].detail["included"] == {"Organization": 1}
