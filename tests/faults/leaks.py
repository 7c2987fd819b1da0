"""`make leaks`: what the product says without wanting to: canaries in logs at DEBUG, and who has an account, by timing.

Canaries: every route is called by every method it knows while the database works and while it fails, each
time with 200 canaries and more in form, query, headers and cookie; answers that are made while they are sent
break off when it begins to fail. Timing: sign-ins of accounts that exist
and of some that do not, in turns; AUC is how often one of the former took longer: a half, where nobody can tell.
"""

import argparse
import contextlib
import io
import logging
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, delete
from werkzeug.test import TestResponse

from service import clock
from service.accounts.models import AttemptCounter
from service.app import create_app
from service.db import Base, make_engine, make_sessions
from service.settings import Settings
from service.watching import logs
from tests.accounts.visitor import csrf_token
from tests.attacks.test_logs import BEGUN, Failing
from tests.attacks.test_logs import CANARIES as NAMES
from tests.factories import make_account
from tests.faults import figures
from tests.faults.figures import Figure
from tests.faults.run import database_of

_CANARIES = {f"{name}{number}": f"canary-{name}-{number:03}-7d1f" for name in NAMES for number in range(14)}
_FORM = dict(list(_CANARIES.items())[:100]) | {name: f"canary-{name}-7d1f" for name in NAMES}
_QUERY = dict(list(_CANARIES.items())[100:])
_WRONG = "wrong-Harbor-lights-42!"
_PROMISED = 2_000


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make leaks", description=__doc__)
    asked.add_argument("--timings", type=int, default=_PROMISED, help="sign-ins of either sort")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run as asked; 1 where a figure is missed."""
    given = parser().parse_args()
    with tempfile.TemporaryDirectory() as folder, database_of("sqlite", Path(folder)) as settings:
        settings.var.mkdir(parents=True, exist_ok=True)
        engine = make_engine(settings.database_url)
        Base.metadata.create_all(engine)
        rows = [_timing(settings, engine, given.timings), _canaries(settings, engine)]
        engine.dispose()
        clock.obey(None)
    return figures.end(rows, given)


def _canaries(settings: Settings, engine: Engine) -> Figure:
    app, heard = create_app(settings, engine), io.StringIO()
    app.testing = False
    handler = logging.StreamHandler(heard)
    paths = faults = 0
    with make_sessions(engine)() as session:
        begun = [begin(app, session) for begin in BEGUN]
    with contextlib.redirect_stderr(heard), contextlib.redirect_stdout(heard):
        logs.configure(logging.DEBUG)
        for library in ("werkzeug", "flask", "authlib", "sqlalchemy.engine", "aiosmtpd"):
            logging.getLogger(library).addHandler(handler)
        for fails in (False, True):
            if fails:
                Failing(engine)
            for path, method in _calls(app):
                paths += 1
                faults += _call(app.test_client(), path, method) >= 500
        broken = [_break_off(answer, heard) for answer in begun]
    said = heard.getvalue()
    found = [name for name, value in (_FORM | _QUERY).items() if value in said]
    many = len(_FORM | _QUERY)
    assert faults > paths // 4 and "unexpected_fault" in said, "the paths do fail, and that is told"
    assert all(broken), "what is sent in pieces breaks off"
    return Figure(
        f"canaries in logs at DEBUG: {many} in {paths} calls, {faults} of them faults", "0", f"{len(found)}", not found
    )  # fmt: skip


def _calls(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        path = rule.rule
        while "<" in path:
            head, _, rest = path.partition("<")
            path = f"{head}canary-code-7d1f{rest.partition('>')[2]}"
        yield from ((path, method) for method in (rule.methods or set()) - {"OPTIONS", "TRACE", "CONNECT"})


def _call(client: FlaskClient, path: str, method: str) -> int:
    headers = {
        "Authorization": "Bearer canary-token-7d1f", "X-Request-Id": "the-reference",
        "Cookie": "sid=canary-assertion-7d1f; lang=canary-pin-7d1f", "User-Agent": "canary-username-7d1f",
        "Referer": "http://localhost/canary-password-7d1f", "Accept-Language": "canary-given_name-7d1f",
    }  # fmt: skip
    form = None if method in {"GET", "HEAD"} else _FORM
    return client.open(path, method=method, data=form, query_string=_QUERY, headers=headers).status_code


def _break_off(answer: TestResponse, heard: io.StringIO) -> bool:
    """Read on in an answer; whether it broke off, which the web server would write down as it is written here."""
    try:
        list(answer.iter_encoded())
    except Exception:  # noqa: BLE001 (whatever leaves the application)
        heard.write(traceback.format_exc())
        return True
    return False


def _timing(settings: Settings, engine: Engine, many: int) -> Figure:
    app, sessions = create_app(settings, engine), make_sessions(engine)
    with sessions.begin() as session:
        known = [make_account(session).username for _ in range(many)]
    took: dict[bool, list[float]] = {True: [], False: []}
    client = app.test_client()
    token = csrf_token(client.get("/sign-in").text)
    for number, username in enumerate(known):
        if number % 50 == 0:
            with sessions.begin() as session:
                session.execute(delete(AttemptCounter))
        # In turns, and the first of each pair in turns too.
        for exists in (True, False) if number % 2 else (False, True):
            name = username if exists else f"nobody{number:06}"
            address = f"10.{number // 250 % 250}.{number % 250}.{int(exists)}"
            began = perf_counter()
            answer = client.post(
                "/sign-in", data={"csrf_token": token, "username": name, "password": _WRONG},
                environ_base={"REMOTE_ADDR": address},
            )  # fmt: skip
            took[exists].append(perf_counter() - began)
            assert answer.status_code == 401, answer.status_code
    auc = _auc(took[True], took[False])
    told = f"{auc:.3f} of 2 x {many} sign-ins"
    is_kept = max(auc, 1 - auc) <= 0.55
    return Figure("who has an account, by timing: AUC", "0.55", told, is_kept, short=many < _PROMISED)


def _auc(one: list[float], other: list[float]) -> float:
    """How often a value of the first is larger than one of the second (ties count half): Mann-Whitney."""
    ranked = sorted([(value, True) for value in one] + [(value, False) for value in other])
    ranks = sum(place for place, (_, first) in enumerate(ranked, start=1) if first)
    return (ranks - len(one) * (len(one) + 1) / 2) / (len(one) * len(other))


if __name__ == "__main__":
    sys.exit(main())
