"""Logs tell where something happened, never what was in the variables or the exception."""

import json

import pytest
from flask import Flask

from service import logs


def test_an_unexpected_fault_is_one_json_line_without_any_value(capsys: pytest.CaptureFixture[str], app: Flask) -> None:
    @app.get("/fault")
    def fault() -> str:
        secret = "canary-token-5f2d"
        raise RuntimeError(f"bad value {secret}")

    app.testing = False
    answer = app.test_client().get("/fault", headers={"X-Request-Id": "the-reference"})
    written = capsys.readouterr().err

    assert answer.status_code == 500
    assert "the-reference" in answer.text
    assert "canary" not in written + answer.text
    line = json.loads(written.strip().splitlines()[-1])
    assert (line["event"], line["problem"], line["request_id"]) == ("unexpected_fault", "RuntimeError", "the-reference")
    assert line["trace"][-1].endswith(" fault")


def test_text_of_users_stays_on_one_escaped_line(capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    logs.configure()
    structlog.get_logger("test").warning("said", text='one\ntwo\x1b[31m", "level": "error')
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["level"] == "warning"
