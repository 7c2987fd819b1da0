"""Narratives reach apps as formatting only, whichever way they come in (R4, txt-1)."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from consent.policy import Access
from fhir import store
from fhir.loading import ingest, narratives
from service.db import make_sessions
from tests.fhir import records
from tests.fhir.test_plan_base import issue, program
from tests.oauth.desk import Desk

FIT = (
    "Plain words", "<p>One</p><p>Two<br/></p>", "a &lt; b &amp;nbsp; &nbsp; c", '<a href="https://x.example/">x</a>',
    '<table class="t"><tr><td style="color: red">1</td></tr></table>', '<a href="#there" name="here">x</a>',
    '<img src="data:image/png;base64,AAAA" alt="x"/>', "<!-- generated -->",
)  # fmt: skip
UNFIT = (
    "<script>alert(1)</script>", "<SCRIPT>alert(1)</SCRIPT>", '<p onclick="x()">a</p>', "<form/>", "<iframe/>",
    '<a href="javascript:x()">a</a>', '<a href=" java&#10;script:x()">a</a>', "<head/>", "<object/>", "<svg/>",
    '<img src="data:text/html;base64,AAAA"/>', '<p style="background: url(//x.example/)">a</p>', "</div><div>",
    '<p xmlns="http://www.w3.org/2000/svg">a</p>', "<![CDATA[<script>]]>", "<p>open", "<?php x ?>",
    "<!--><script>x()</script>-->", '<x:script xmlns:x="http://www.w3.org/1999/xhtml">x</x:script>',
)  # fmt: skip


def _text(inner: str) -> dict[str, str]:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'}


@pytest.mark.parametrize("inner", FIT)
def test_formatting_is_kept(inner: str) -> None:
    assert narratives.is_fit(json.dumps(_text(inner)).encode())


@pytest.mark.parametrize("inner", UNFIT)
def test_whatever_does_more_is_unfit(inner: str) -> None:
    assert not narratives.is_fit(json.dumps(_text(inner)).encode())
    compact = json.dumps(_text(inner), separators=(",", ":")).replace("<", "\\u003c")
    assert not narratives.is_fit(compact.encode())


@pytest.mark.parametrize(
    "div", ["", "words", "<div>words</div>", '<p xmlns="http://www.w3.org/1999/xhtml">a</p>',
            '<!DOCTYPE div [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>'],
)  # fmt: skip
def test_a_narrative_is_one_div(div: str) -> None:
    assert not narratives.is_fit_div(div)


def test_a_file_is_kept_without_them(engine: Engine, system: Access, tmp_path: Path) -> None:
    bad = _text(UNFIT[0])
    inner: dict[str, Any] = {"resourceType": "Organization", "id": "inner", "text": bad, "name": "Lab"}
    resources = [
        records.patient("p", text=bad), records.observation("good", "p", text=_text(FIT[1])),
        records.observation("outer", "p", contained=[inner], performer=[{"reference": "#inner"}]),
    ]  # fmt: skip
    path = tmp_path / "all.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in resources))

    told = ingest.load(engine, [path], access=system)

    assert (told.added, told.rejected, told.warned) == (3, 0, 2)
    with make_sessions(engine)() as session:
        stored = [json.loads(store.read(session, system, one["resourceType"], one["id"]).body) for one in resources]
    assert "text" not in stored[0] and stored[1]["text"] == _text(FIT[1])
    assert stored[2]["contained"] == [{"resourceType": "Organization", "id": "inner", "name": "Lab"}]


def test_a_program_of_the_plan_is_refused(desk: Desk) -> None:
    plan = program(desk)
    assert plan.call("PUT", "/Patient/p", records.patient("p", text=_text(FIT[1]))).status_code == 201
    assert issue(plan.call("PUT", "/Patient/p", records.patient("p", text=_text(UNFIT[0])))) == (422, "business-rule")
