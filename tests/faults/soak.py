"""`make soak`: mixed traffic for 20 minutes on two workers; nothing of the server may grow with the time.

Apps read, search, connect, refresh and revoke; members sign in, look at pages and sign out; the worker runs beside.
Every ten seconds memory, threads, open files and the write-ahead log are written down.
"""

import argparse
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bench import UNLIMITED, cpu, data, databases, server
from bench.callers import CALLBACK
from service.settings import Settings
from tests.faults import figures
from tests.faults.figures import Figure

_PASSWORD = "Harbor-lights-42!"
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_PAGES = ("/member", "/apps", "/my-information", "/my-information/claims", "/messages", "/settings", "/help")
_PROMISED, _EVERY = 20.0, 10.0
_MEMBERS = 40
_MORE = {"memory": 1.03, "threads": 1.05, "files": 1.05, "wal": 1.05}
"""What the last quarter may hold of what the second held; the first is warming up."""


@dataclass(frozen=True)
class Sample:
    """The server at one moment: all of its processes, and the worker, together."""

    at: float
    memory: float
    threads: int
    files: int
    wal: float


class Traffic:
    """What apps and people do, each in a thread of its own, with pauses; and how it was answered."""

    def __init__(self, url: str, material: data.Material, pause: float) -> None:
        self._url, self._material, self._pause = url, material, pause
        self._codes = iter(material.codes.values)
        self._stop = threading.Event()
        self.answered: Counter[tuple[str, int]] = Counter()
        self.lost = 0
        self._threads = [threading.Thread(target=self._repeat, args=(deed,)) for deed in (
            self._read, self._read, self._connect, self._visit,
        )]  # fmt: skip

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _repeat(self, deed: Callable[[requests.Session, random.Random], None]) -> None:
        chance, http = random.Random(), requests.Session()
        browsers: dict[int, requests.Session] = {}
        while not self._stop.wait(self._pause):
            name = chance.randrange(len(self._material.accounts)) if deed == self._visit else -1
            try:
                deed(http if name < 0 else browsers.setdefault(name, requests.Session()), chance)
            except requests.RequestException:
                self.lost += 1

    def _ask(self, http: requests.Session, what: str, method: str, path: str, **given: object) -> requests.Response:
        answer = http.request(method, self._url + path, timeout=30, allow_redirects=False, **given)  # type: ignore[arg-type]
        self.answered[what, answer.status_code] += 1
        return answer

    def _read(self, http: requests.Session, chance: random.Random) -> None:
        reader = chance.choice(self._material.readers)
        bearer = {"Authorization": f"Bearer {reader.token}"}
        self._ask(http, "read", "GET", f"/fhir/r4/ExplanationOfBenefit/{chance.choice(reader.eobs)}", headers=bearer)
        path = f"/fhir/r4/ExplanationOfBenefit?patient={reader.patient_id}&_count={chance.choice((5, 20, 50))}"
        self._ask(http, "search", "GET", path, headers=bearer)

    def _connect(self, http: requests.Session, chance: random.Random) -> None:
        app = self._material.client_id, self._material.client_secret
        form = {
            "grant_type": "authorization_code", "code": next(self._codes), "redirect_uri": CALLBACK,
            "code_verifier": self._material.codes.verifier,
        }  # fmt: skip
        pair = self._ask(http, "connect", "POST", "/oauth/token", data=form, auth=app).json()
        for _ in range(chance.randrange(3)):
            form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
            pair = self._ask(http, "refresh", "POST", "/oauth/token", data=form, auth=app).json()
        if chance.random() < 0.5:
            self._ask(http, "revoke", "POST", "/oauth/revoke", data={"token": pair["refresh_token"]}, auth=app)

    def _visit(self, browser: requests.Session, chance: random.Random) -> None:
        account = chance.choice(self._material.accounts)
        page = self._ask(browser, "page", "GET", "/sign-in")
        if not (token := _TOKEN.search(page.text)):
            return
        form = {"csrf_token": token[1], "username": account.username, "password": _PASSWORD}
        self._ask(browser, "sign in", "POST", "/sign-in", data=form)
        for path in chance.sample(_PAGES, 4):
            page = self._ask(browser, "page", "GET", path)
        if token := _TOKEN.search(page.text):
            self._ask(browser, "sign out", "POST", "/sign-out", data={"csrf_token": token[1]})


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make soak", description=__doc__)
    asked.add_argument("--minutes", type=float, default=_PROMISED)
    asked.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked.add_argument("--pause", type=float, default=0.1, help="seconds between what one app or person does")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run as asked; 1 where something grew, or anything was answered by a fault."""
    given = parser().parse_args()
    opener = {"sqlite": databases.sqlite, "postgresql": databases.postgresql}[given.database]
    with tempfile.TemporaryDirectory(prefix="latchstring-soak-") as folder:
        Path(folder).chmod(0o711)
        with opener(Path(folder)) as database:
            samples, traffic = _soak(database, Path(folder), given.minutes, given.pause)
    return figures.end([*_figures(samples, given.minutes, database.name), _answers(traffic)], given)


def _soak(
    database: databases.Database, folder: Path, minutes: float, pause: float
) -> tuple[list[Sample], Traffic]:  # fmt: skip
    port = server.free_port()
    environment = os.environ | {
        "MODE": "sandbox", "VAR": str(folder), "DATABASE_URL": database.url, "SECRET_KEY": secrets.token_hex(32),
        "BASE_URL": f"http://127.0.0.1:{port}", **UNLIMITED,
    }  # fmt: skip
    material = data.prepare(Settings.from_environment(environment), members=_MEMBERS, password=_PASSWORD)
    worker = [sys.executable, "-m", "flask", "--app", "wsgi:app", "worker", "run"]
    samples: list[Sample] = []
    with server.running(environment, port, app="wsgi:app") as served:
        beside = subprocess.Popen(worker, cwd=server.ROOT, env=environment, stderr=subprocess.DEVNULL)
        traffic = Traffic(f"http://127.0.0.1:{port}", material, pause)
        try:
            began = time.monotonic()
            with traffic.flowing():
                while (at := time.monotonic() - began) < minutes * 60:
                    time.sleep(_EVERY)
                    samples.append(_look(at, [served.pid, beside.pid], folder))
                    _tell(samples[-1], traffic)
        finally:
            beside.terminate()
            beside.wait(30)
    return samples, traffic


def _look(at: float, roots: Sequence[int], folder: Path) -> Sample:
    pids = {pid for root in roots for pid in (root, *cpu.descendants(root))}
    log = folder / "latchstring.db-wal"
    return Sample(
        at,
        sum(cpu.resident_megabytes(pid) for pid in pids),
        sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids),
        sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        log.stat().st_size / 1e6 if log.exists() else 0.0,
    )


def _tell(sample: Sample, traffic: Traffic) -> None:
    print(
        f"{sample.at:6.0f} s {sample.memory:7.1f} MB {sample.threads:4} threads {sample.files:4} files"
        f" {sample.wal:6.2f} MB wal {sum(traffic.answered.values())} answers",
        flush=True,
    )  # fmt: skip


def _figures(samples: Sequence[Sample], minutes: float, database: str) -> Iterator[Figure]:
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    for what, unit in (("memory", "MB"), ("threads", ""), ("files", ""), ("wal", "MB")):
        values = [[getattr(sample, what) for sample in part] for part in (early, late)]
        before, after = (max(part) if what == "wal" else statistics.median(part) for part in values)
        slope = _slope([(sample.at / 3600, getattr(sample, what)) for sample in samples[quarter:]])
        yield Figure(
            f"{minutes:g} minutes of mixed traffic, {database}: {what}", f"x {_MORE[what]} at most",
            f"{before:.1f} to {after:.1f} {unit}, {slope:+.1f} an hour".replace("  ", " "),
            after <= before * _MORE[what], short=minutes < _PROMISED,
        )  # fmt: skip


def _slope(points: Sequence[tuple[float, float]]) -> float:
    return statistics.linear_regression(*zip(*points, strict=True)).slope if len(points) > 2 else 0.0


def _answers(traffic: Traffic) -> Figure:
    faults = sum(number for (_, status), number in traffic.answered.items() if status >= 500)
    parts = Counter[str]()
    for (what, _), number in traffic.answered.items():
        parts[what] += number
    told = ", ".join(f"{number} x {what}" for what, number in parts.most_common())
    wrong = {key: number for key, number in traffic.answered.items() if key[1] not in {200, 302, 303}}
    print({f"{what} {status}": number for (what, status), number in wrong.items()})
    return Figure("answers meanwhile", "no fault", f"{told}; {faults} faults, {traffic.lost} lost",
                  faults == 0 and traffic.lost == 0)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
