"""Requests made of `/openapi.json`, as it says and as it forbids: no fault, and no answer that it does not tell of."""

from collections import Counter
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.fuzz.conftest import CASES, trying
from tests.oauth.desk import Desk

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
FHIR = "^/fhir/r4/[A-Zm]"


@pytest.mark.parametrize("part", ["oauth", "fhir"])
@pytest.mark.slow
def test_no_request_meets_a_fault(app: Flask, desk: Desk, part: str) -> None:
    document = schemathesis.openapi.from_wsgi("/openapi.json", app)
    # A database without a schema's number is not ready, and 503 is how that is told.
    document = document.exclude(path="/health/ready")
    some = document.include(path_regex=FHIR) if part == "fhir" else document.exclude(path_regex=FHIR)
    token = desk.connect(desk.register())["access_token"]
    met: Counter[int] = Counter()
    modes = st.one_of(
        some.as_strategy(GenerationMode.POSITIVE), some.as_strategy(GenerationMode.NEGATIVE)
    )  # fmt: skip

    @trying(CASES // 4)
    @given(case=modes, known=st.booleans())
    def ask(case: Any, known: bool) -> None:
        response = case.call(headers={"Authorization": f"Bearer {token}"} if known else None)
        met[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    ask()
    assert sum(met.values()) >= CASES // 4
    assert {200, 400} <= set(met) or {200, 401} <= set(met), f"the cases stay at the door: {met}"
