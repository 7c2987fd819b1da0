"""deploy/nginx.conf lets long bodies in where the product takes them, nowhere else, and never more than have room."""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from fhir.resources.R4B.operationoutcome import OperationOutcome
from flask import Flask
from werkzeug.routing import Rule

from fhir.interactions import BULK_ADDRESSES, OPERATION_ADDRESSES, PLAN_ADDRESSES
from fhir.loading.lines import LONGEST
from fhir.operations import inputs
from service.accounts import page_files
from service.web import BODY_LIMIT
from tests.conftest import ROOT, free_port, wait_until
from tests.proxies import Proxy

CONF = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
BODY = frozenset({"POST", "PUT"})
_OPERATIONS = {
    f"fhir.{one.endpoint}" for one in (*OPERATION_ADDRESSES, *BULK_ADDRESSES) if "POST" in one.offered
} | {"fhir.base", "fhir.base_with_slash"}  # fmt: skip
_PLAN = {f"fhir_plan.{one.endpoint}" for one in PLAN_ADDRESSES if BODY & set(one.offered)}

_WITHOUT_RATE = {"rate=300r/s": "rate=9000r/s"}


def in_bytes(told: str) -> int:
    """What nginx and mount call 51m."""
    return int(told[:-1]) * UNITS[told[-1]]


def locations() -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """Of each location that takes long bodies: how long, and how many at once by the zone that counts them."""
    for block in re.findall(r"^    location [^@\n]+\{\n(.*?)^    \}", CONF, re.M | re.S):
        if size := re.search(r"client_max_body_size (\w+);", block):
            counts = re.findall(r"limit_conn (\w+) (\d+);", block)
            yield in_bytes(size[1]), [(zone, int(number)) for zone, number in counts]


def product_takes(rule: Rule) -> int:
    """The longest body that the product reads at an address, in bytes."""
    if rule.endpoint.startswith("fhir_plan."):
        # One location for the whole base: what is only read there is its programs' too.
        return LONGEST
    if rule.endpoint in _OPERATIONS:
        return inputs.LONGEST
    return page_files.MOST_BYTES.get(rule.endpoint, BODY_LIMIT)


def sample(rule: Rule) -> str:
    """An address of the rule."""
    path = re.sub(r"<uuid:\w+>", "123e4567-e89b-12d3-a456-426614174000", rule.rule)
    return re.sub(r"<[^>]+>", "Some1", path.replace("<resource_type>", "Patient"))


def begin(proxy: Proxy, path: str, length: int) -> tuple[ssl.SSLSocket, bytes]:
    """Say that a body of so many bytes comes, and wait for what nginx says of that before any of it."""
    context = ssl.create_default_context(cafile=str(proxy.certificates.authority))
    made = context.wrap_socket(
        socket.create_connection(("127.0.0.1", proxy.port), timeout=20), server_hostname="localhost"
    )
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    made.sendall(head.encode())
    said = made.recv(4_096)
    # A refusal may come in several records; behind it nginx waits some seconds for what was on its way.
    while not said.startswith(b"HTTP/1.1 100") and not is_whole(said):
        said += made.recv(4_096)
    return made, said


def asked(proxy: Proxy, path: str, length: int) -> bytes:
    """What nginx says of it, and no more."""
    made, said = begin(proxy, path, length)
    made.close()
    return said


def is_whole(answer: bytes) -> bool:
    """Whether all of an answer of nginx's own is there."""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


def test_every_place_that_raises_the_limit_is_known_here(app: Flask) -> None:
    raising = {
        str(path.relative_to(ROOT))
        for package in ("service", "oauth", "fhir", "consent")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"max_content_length = |MAX_CONTENT_LENGTH", path.read_text("utf-8"))
    }
    assert raising == {
        "service/web.py", "service/accounts/page_files.py", "fhir/operations/inputs.py", "fhir/plan/routes.py",
    }  # fmt: skip
    there = {rule.endpoint for rule in app.url_map.iter_rules() if BODY & (rule.methods or set())}
    assert page_files.MOST_BYTES and page_files.MOST_BYTES.keys() <= there and there >= _PLAN | {"fhir.base"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_location_lets_through_what_its_address_takes_and_hardly_more(app: Flask, tmp_path: Path) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if BODY & (rule.methods or set()) and rule.endpoint != "static"]
    with Proxy(tmp_path / "nginx").stand_before([free_port()], changed=_WITHOUT_RATE) as proxy:
        for rule in rules:
            path, limit = sample(rule), product_takes(rule)
            assert asked(proxy, path, limit).startswith(b"HTTP/1.1 100"), f"{path}: {limit} are let through"
            assert asked(proxy, path, 2 * limit + 1).startswith(b"HTTP/1.1 413"), f"{path}: twice that is not"


def test_all_bodies_at_once_have_room() -> None:
    found = list(locations())
    most: dict[str, int] = {}
    for size, counts in found:
        (own, _), (of_one, one), (of_all, every) = counts
        assert own == "latchstring_connections", "limits of the server are not inherited"
        assert of_all.replace("_all", "") == of_one and one <= every / 2, "one address leaves room for others"
        assert re.search(rf"limit_conn_zone \$binary_remote_addr zone={of_one}:", CONF)
        assert re.search(rf"limit_conn_zone \$server_name zone={of_all}:", CONF)
        most[of_all] = max(most.get(of_all, 0), size * every)
    (room,) = re.findall(r"tmpfs size=(\w+),", CONF)
    assert len(found) >= 4 and sum(most.values()) <= in_bytes(room)
    proxy = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))["services"]["proxy"]
    assert proxy["tmpfs"] == [f"/var/cache/latchstring-bodies:size={room}"]
    (in_memory,) = re.findall(r"client_body_buffer_size (\w+);", CONF)
    assert f"    client_max_body_size {in_memory};" in CONF, "elsewhere no body needs a file"


def test_one_address_cannot_fill_the_room_and_reads_meanwhile(tmp_path: Path) -> None:
    patient = Proxy(tmp_path / "nginx").stand_before([free_port()], patience="120s")
    with patient as proxy, ExitStack() as open_ones:
        for number in range(4):
            kept, said = begin(proxy, "/people/requests/new" if number % 2 else "/developers/apps/new", 5 << 20)
            open_ones.enter_context(kept)
            assert said.startswith(b"HTTP/1.1 100")
            kept.sendall(b"x" * (1 << 20))
        wait_until(lambda: proxy.body_files == 4, 20, "bodies lie in no files")
        for path in ("/people/requests/new", "/provider/mailbox/new", "/developers/apps/new"):
            said = asked(proxy, path, 5 << 20)
            assert said.startswith(b"HTTP/1.1 429") and b"Retry-After: 5" in said, path
        short, said = begin(proxy, "/sign-in", 100 << 10)
        open_ones.enter_context(short)
        short.sendall(b"x" * (90 << 10))
        assert said.startswith(b"HTTP/1.1 100")
        assert asked(proxy, "/fhir/r4/Patient/$member-match", 1 << 20).startswith(b"HTTP/1.1 100")
        assert proxy.body_files == 4, "a short body needs no file"


def test_what_is_too_long_is_told_in_the_form_of_the_place(tmp_path: Path) -> None:
    with Proxy(tmp_path / "nginx").stand_before([free_port()]) as proxy:
        for path, kind in (
            ("/plan/fhir/r4/Claim", "application/fhir+json"), ("/fhir/r4", "application/fhir+json"),
            ("/oauth/token", "application/json"), ("/people/requests/new", "text/html"), ("/sign-in", "text/html"),
        ):  # fmt: skip
            head, _, body = asked(proxy, path, 60 << 20).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 413") and f"Content-Type: {kind}\r\n".encode() in head, path
            assert b"X-Request-Id: " in head and b"Cache-Control: no-store" in head
            if kind == "application/fhir+json":
                (issue,) = OperationOutcome.model_validate_json(body).issue
                assert issue.code == "too-long" and b"Access-Control-Allow-Origin: *" in head
            else:
                assert b"invalid_request" in body if kind == "application/json" else b'<div lang="es">' in body
