"""Case 174 at length: 200 canaries down 500 paths that end in a fault, at DEBUG; none is in any log, mail or row.

The short form takes 40 of the paths. `CANARIES_LONG=1 make test ARGS=tests/attacks/test_canaries.py` takes 500, and
other ones each time: `CANARIES_SEED` names those of a run that failed.
"""

import logging
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event
from werkzeug.routing import Rule

from service.db import Base
from service.watching import logs
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_member
from tests.oauth.desk import Committing

LONG = os.environ.get("CANARIES_LONG") == "1"
SEED = int(os.environ.get("CANARIES_SEED", random.randrange(10**6) if LONG else 1))
PATHS = 500 if LONG else 40
KINDS = (
    "password", "code", "pin", "access_token", "refresh_token", "code_verifier", "client_secret", "client_assertion",
    "ssn", "diagnosis", "check_number", "username", "email", "given_name", "family_name", "member_number",
    "claim_number", "body", "reason", "birth_date",
)  # fmt: skip
CANARIES = tuple((kind, f"canary{number}x{kind.replace('_', '')}") for kind in KINDS for number in range(10))
_WORD = re.compile(r"canary\dx[a-z]+", re.IGNORECASE)
_OWN_ADDRESS = re.compile(
    r'href="[^"]*\blang=[^"]*"|\bdata-page="[^"]*"|<a href="[^"]*">(?=Open the page with the form again<)'
)
WAYS = ("driver", "view", "answer")
"""Where it fails: in the driver of the database, in the view, after the view."""


@dataclass(frozen=True)
class Way:
    """One path to a fault."""

    rule: Rule
    method: str
    fault: str


def _ways(app: Flask) -> list[Way]:
    every = [
        Way(rule, method, fault)
        for rule in sorted(app.url_map.iter_rules(), key=lambda one: (one.rule, one.endpoint))
        for method in sorted((rule.methods or set()) & {"GET", "POST", "PUT", "DELETE"})
        for fault in WAYS
        if rule.endpoint not in {"static", "probes.live"}
    ]
    random.Random(SEED).shuffle(every)
    return every


class Faults:
    """Makes the next request fail, with every canary of it in the text of the exception, as libraries do."""

    def __init__(self, app: Flask, engine: Engine) -> None:
        self.way, self.text = "", ""
        event.listen(engine, "before_cursor_execute", self._in_driver)
        app.before_request(self._in_view)
        app.after_request(self._after_view)

    def _in_driver(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if self.way == "driver":
            logging.getLogger("driver").error("could not run %s with %s for %s", statement, parameters, self.text)
            logging.getLogger("driver").debug("tried %s", self.text)
            raise RuntimeError(f"{statement} {parameters} {self.text}")

    def _in_view(self) -> None:
        if self.way == "view":
            secret = self.text  # a local variable, which tracebacks may show
            raise LookupError(secret)

    def _after_view(self, answer: Any) -> Any:
        if self.way == "answer":
            self.way = "over"
            raise ValueError(self.text, {"given": self.text})
        return answer


def _given(chosen: random.Random) -> dict[str, str]:
    return {kind: f"canary{chosen.randrange(10)}x{kind.replace('_', '')}" for kind in KINDS}


def _call(app: Flask, visitor: Visitor, way: Way, given: dict[str, str], chosen: random.Random) -> Any:
    path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", lambda _: given[chosen.choice(KINDS)], way.rule.rule)
    if "<uuid:" in way.rule.rule:
        path = re.sub(r"<uuid:[^>]+>", "5f0c7d1e-0000-4000-8000-000000000000", way.rule.rule)
        path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", lambda _: given[chosen.choice(KINDS)], path)
    headers = {"Authorization": f"Bearer {given['access_token']}", "DPoP": given["client_assertion"],
               "X-Request-Id": "the-reference", "User-Agent": given["reason"]}  # fmt: skip
    browser = visitor.browser if chosen.random() < 0.5 else app.test_client()
    if way.method == "GET":
        return browser.get(path, query_string=given, headers=headers)
    body: dict[str, Any] = {"json": given} if chosen.random() < 0.3 else {"data": given}
    return browser.open(path, method=way.method, headers=headers, **body)


@pytest.fixture
def faults(app: Flask, engine: Engine) -> Faults:
    """What makes requests fail, in place before the first one."""
    return Faults(app, engine)


@pytest.fixture
def member(app: Flask, faults: Faults) -> Iterator[Visitor]:
    """Somebody who is signed in, at a browser."""
    with Committing(app) as session:
        account = make_account(session, member=make_member(session))
    visitor = Visitor(app)
    visitor.sign_in(account)
    yield visitor


@pytest.mark.timeout(3_000)
def test_case_174_no_canary_is_in_a_log_a_mail_or_a_row_after_any_fault(
    app: Flask, engine: Engine, faults: Faults, member: Visitor, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    logs.configure(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    app.testing, app.debug = False, True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    chosen = random.Random(SEED)
    told: list[tuple[str, str]] = []
    failed, sent = 0, set()
    tried = 0
    for way in _ways(app):
        tried += 1
        given = _given(chosen)
        sent |= set(given.values())
        faults.way, faults.text = way.fault, " ".join(given.values())
        answer = _call(app, member, way, given, chosen)
        faults.way = ""
        failed += answer.status_code >= 500
        written = capfd.readouterr()
        # A page offers itself in the other language, or anew: to whoever asked, at the address they asked.
        page = _OWN_ADDRESS.sub("", answer.get_data(as_text=True))
        shown = f"{page}{answer.headers}" if answer.status_code >= 500 else ""
        for place, text in (("log", written.err + written.out), ("answer", shown)):
            told += [(f"{place} of {way.method} {way.rule.rule} ({way.fault})", word) for word in _WORD.findall(text)]
        if failed == PATHS:
            break
    told += [("metrics", word) for word in _WORD.findall(app.test_client().get("/metrics").text)]
    told += [("rows", word) for word in _words_of_rows(engine)]
    logging.getLogger().setLevel(logging.WARNING)
    assert told[:5] == [], f"CANARIES_SEED={SEED}"
    assert failed == PATHS, (failed, tried)
    assert not list(tmp_path.rglob("core*"))
    if LONG:
        assert sent == {value for _kind, value in CANARIES}
        with capfd.disabled():
            print(f"\n{len(sent)} canaries, {tried} paths, {failed} of them ended in 5xx, seed {SEED}: 0 found")


def _words_of_rows(engine: Engine) -> Iterator[str]:
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table.name}"'):
                yield from _WORD.findall(repr(tuple(row)))
