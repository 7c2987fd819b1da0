"""Logs tell where something happened, never what was in the variables or the exception."""

import json
from pathlib import Path

import pytest
from flask import Flask

from service.app import create_app
from service.db import make_engine
from service.settings import Settings


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


def test_a_fault_of_an_error_page_tells_no_value_either(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, app: Flask
) -> None:
    faults = [RuntimeError("bad value canary-token-5f2d")]

    @app.context_processor
    def fault() -> dict[str, str]:
        if faults:
            raise faults.pop()
        return {}

    app.testing = False
    assert app.test_client().get("/no-such-page").status_code == 500
    written = capsys.readouterr().err
    assert "canary" not in written + caplog.text
    assert "RuntimeError" in written


@pytest.mark.parametrize(("method", "path"), [("GET", "/no-such-page"), ("DELETE", "/apps"), ("POST", "/sign-in")])
def test_a_refusal_while_the_database_is_away_says_busy(
    settings: Settings, tmp_path: Path, method: str, path: str
) -> None:
    away = create_app(settings, make_engine(f"sqlite:///{tmp_path}/nowhere/none.db"))
    browser = away.test_client()
    browser.set_cookie("sid", f"{'a' * 22}.{'b' * 43}")

    answer = browser.open(path, method=method)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
