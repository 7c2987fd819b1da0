"""Cases 174 and 175 of security.md: no secret and no health data in any log; typed words make no line of their own."""

import ast
import json
import logging
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.clock import now
from service.door.admission import BrokenOff
from service.plan.models import StaffRole
from service.reports import disclosures
from service.settings import Settings
from service.watching import logs
from tests.accounts.visitor import Visitor
from tests.conftest import ROOT
from tests.factories import make_member
from tests.member.pages import Reader
from tests.oauth.desk import Desk
from tests.staff.console import make_clerk

PACKAGES = ("consent", "fhir", "oauth", "service")
CANARIES = {name: f"canary-{name}-7d1f" for name in (
    "username", "password", "code", "token", "code_verifier", "client_secret", "pin", "ssn", "diagnosis",
    "check_number", "refresh_token", "assertion", "given_name", "family_name", "member_number",
)}  # fmt: skip
FORMS = (
    ("/sign-in", ("username", "password")),
    ("/sign-in/code", ("code",)),
    ("/register", ("given_name", "family_name", "member_number", "ssn")),
    ("/forgot-password", ("username",)),
    ("/oauth/token", ("code", "code_verifier", "client_secret", "refresh_token", "assertion")),
    ("/oauth/introspect", ("token", "client_secret")),
    ("/oauth/revoke", ("token", "client_secret")),
    ("/oauth/register", ("client_secret",)),
    ("/fhir/r4/Condition/_search", ("diagnosis", "ssn")),
    ("/provider/register", ("pin", "check_number", "ssn")),
)  # fmt: skip


class Failing:
    """A driver whose every statement fails with all that it was given in its text, as some do."""

    def __init__(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self.fail)

    def fail(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        given = " ".join(CANARIES.values())
        logging.getLogger("driver").error("could not run %s with %s for %s", statement, parameters, given)
        raise RuntimeError(f"{statement} {parameters} {given}")


@pytest.mark.parametrize(("path", "names"), FORMS)
def test_case_174_nothing_that_was_sent_is_in_a_log_when_the_request_fails(
    app: Flask, engine: Engine, capfd: pytest.CaptureFixture[str], path: str, names: tuple[str, ...]
) -> None:
    logs.configure(logging.DEBUG)
    app.testing, app.debug = False, True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    visitor = Visitor(app)
    visitor.get("/sign-in")
    Failing(engine)
    form = {name: CANARIES[name] for name in names}
    headers = {"Authorization": f"Bearer {CANARIES['token']}", "X-Request-Id": "the-reference"}

    answers = [
        visitor.post(path, **form),
        app.test_client().post(path, data=form, headers=headers),
        app.test_client().get(f"{path}?{'&'.join(f'{name}={value}' for name, value in form.items())}", headers=headers),
    ]  # fmt: skip

    written = capfd.readouterr()
    everything = (
        written.err + written.out + "".join(f"{one.text}{one.headers}" for one in answers if one.status_code >= 500)
    )
    assert [name for name, value in CANARIES.items() if value in everything] == []


def test_case_174_the_paths_do_fail(app: Flask, engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    """The faults of the test above are met, and told by their place."""
    app.testing = False
    Failing(engine)
    app.test_client().get("/gallery")
    written = capfd.readouterr().err
    assert "unexpected_fault" in written and "RuntimeError" in written and "library_log" in written


def begun_record(app: Flask, _session: Session) -> TestResponse:
    """A member's download, of which nothing has been read yet."""
    desk = Desk(app)
    return Reader(desk, desk.account).take("/my-information/download/record.json")


def begun_disclosures(app: Flask, session: Session) -> TestResponse:
    """A privacy officer's CSV with an entry, likewise."""
    officer, member = make_clerk(app, session, StaffRole.PRIVACY_OFFICER), make_member(session)
    told: dict[str, Any] = dict.fromkeys(("recipient", "recipient_address", "description", "basis"), "x")
    told |= {"disclosed_on": now().date(), "purpose": "court"}
    disclosures.record(session, member, told, by_account_id=officer.account.id)
    session.commit()
    return officer.browser.get(f"/staff/reports/disclosures/of/{member.patient_id}?format=csv")


BEGUN = (begun_record, begun_disclosures)
"""Every answer that is made while it is sent."""


@pytest.mark.parametrize("begin", BEGUN)
def test_case_174_an_answer_that_breaks_off_while_it_is_sent_leaves_no_value_to_the_server(
    app: Flask, session: Session, engine: Engine, capfd: pytest.CaptureFixture[str],
    begin: Callable[[Flask, Session], TestResponse],
) -> None:  # fmt: skip
    logs.configure(logging.DEBUG)
    answer = begin(app, session)
    assert answer.status_code == 200, answer.text
    Failing(engine)
    sent: list[bytes] = []
    with pytest.raises(BrokenOff) as broken:
        sent.extend(answer.iter_encoded())

    # What the web server would write down.
    left = "".join(traceback.format_exception(broken.value))
    written = capfd.readouterr().err
    assert str(broken.value) == "" and [name for name, value in CANARIES.items() if value in left + written] == []
    (line,) = (json.loads(one) for one in written.splitlines() if '"unexpected_fault"' in one)
    assert (line["problem"], line["request_id"]) == ("RuntimeError", answer.headers["X-Request-Id"])
    assert line["trace"][-1].endswith(" fail"), "told by its place"
    # The web server ends the body as if it were whole.
    if begin is begun_disclosures:
        assert sent[-1].startswith(b"This file is not whole") and sent[-2].endswith(b"\r\n")
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(b"".join(sent))


def test_case_174_a_crash_tells_its_place_and_no_value_and_leaves_no_core(settings: Settings, tmp_path: Path) -> None:
    script = (
        "import threading, resource, logging; from service.app import create_app; create_app()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0\n"
        "logging.getLogger('library').error('token %s', 'canary-library')\n"
        "def fall(secret): raise RuntimeError(secret)\n"
        "one = threading.Thread(target=fall, args=('canary-thread',)); one.start(); one.join()\n"
        "fall('canary-process')\n"
    )
    environment = os.environ | {"VAR": str(settings.var), "DATABASE_URL": settings.database_url, "MODE": "sandbox"}
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1 and "canary" not in ended.stderr + ended.stdout
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["library_log", "process_crashed", "process_crashed"]
    assert resource.getrlimit(resource.RLIMIT_CORE)


def test_case_174_a_field_that_nobody_vouched_for_is_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger("t").warning(
        "said", token="canary-1", problem="x" * 400 + "canary-2", reason={"deep": [b"canary-3"]}, client="fine"
    )  # fmt: skip
    structlog.get_logger("t").warning("Signed in: Canary-4", **{"canary-5": 1})
    written = capsys.readouterr().err
    assert "canary" not in written.lower()
    first, second = map(json.loads, written.splitlines())
    assert (first["token"], first["client"], second["event"]) == (logs.WITHHELD, "fine", logs.WITHHELD)


def test_case_174_every_log_call_names_its_event_and_known_fields() -> None:
    """Written out in the code: no text is put together for the log."""
    wrong = []
    for path, call in _log_calls():
        fields = {keyword.arg for keyword in call.keywords}
        event_named = bool(call.args) and isinstance(call.args[0], ast.Constant) and len(call.args) == 1
        if not event_named or not fields <= logs.FIELDS | {"exc_info"}:
            wrong.append((path, call.lineno, fields - logs.FIELDS))
    assert wrong == []


def _log_calls() -> Iterator[tuple[str, ast.Call]]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name) and node.func.value.id == "log"
                ):  # fmt: skip
                    yield str(path.relative_to(ROOT)), node


HOSTILE = ("one\ntwo", "\x1b[31mred", '", "level":"error", "x":"', '\r\n{"event":"forged"}', "\u2028next")


@pytest.mark.parametrize("words", HOSTILE)
def test_case_175_what_users_typed_stays_within_one_escaped_line(
    capsys: pytest.CaptureFixture[str], words: str
) -> None:  # fmt: skip
    logs.configure()
    structlog.get_logger("test").warning("said", text=words, reason=words)
    written = capsys.readouterr().err
    (line,) = written.splitlines()
    told = json.loads(line)
    assert (told["level"], told["event"], told["reason"], told["text"]) == ("warning", "said", words, logs.WITHHELD)
    assert "\x1b" not in written


def test_case_175_no_header_and_no_path_makes_a_line(
    app: Flask, capfd: pytest.CaptureFixture[str], logged: Callable[[], str]
) -> None:
    @app.get("/fault")
    def fault() -> str:
        raise RuntimeError

    app.testing = False
    for words in HOSTILE:
        answer = app.test_client().get("/fault", query_string={"q": words}, headers={"User-Agent": "x\x1b[31m"})
        assert answer.status_code == 500
    written = logged()
    assert "forged" not in written and "\x1b" not in written
