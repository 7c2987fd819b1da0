"""The requests that are measured: what each sends, and what a right answer is."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import urlencode

from bench import BARE, EMPTY_FLASK, TOKEN_CHECK
from bench.callers import CALLBACK, SCOPE, Program
from bench.data import Material
from bench.load import Reply, Work, WrongAnswer
from bench.revoking import Deed

PAGE = 20
FHIR = "/fhir/r4"
SLOTS = 8
_INQUIRY = "/provider/remittances"
_BY_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONG_AGO = "2000-01-01"
"""A number alone leads on to its remittance; with a date beside it the results are a page."""
_COOKIE = re.compile(rb"\r\nset-cookie:\s*([^;\r]+)", re.IGNORECASE)
_CSRF = re.compile(rb'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True)
class Case:
    """One kind of request, on so many connections.

    `writes`: its transaction ends in an fsync. `spared_too`: run again on a server that does not wait for the disk.
    """

    name: str
    work: Work
    connections: int = SLOTS
    writes: bool = True
    spared_too: bool = False


Ask = Callable[[bytes], Reply]
"""Sends one request and returns its answer; for what has to be known before the measuring begins."""


def every_case(material: Material, ask: Ask) -> list[Case]:
    """The cases on `material`, each tried once with all of its answer looked at."""
    reads = [_get(f"{FHIR}/ExplanationOfBenefit/{eob}", one.token) for one in material.readers for eob in one.eobs]
    searches = [_get(_search_of(one.patient_id), one.token) for one in material.readers]
    squeezed = [_get(_search_of(one.patient_id), one.token, "zstd, gzip") for one in material.readers]
    introspections = [_introspect(material, one.token) for one in material.readers]
    _require_resource(ask(reads[0]))
    _require_page(ask(searches[0]))
    _require_active(ask(introspections[0]))
    cases = [
        Case("bare route", _repeat([_get(BARE)]), writes=False),
        Case("empty Flask app", _repeat([_get(EMPTY_FLASK)]), writes=False),
        Case("token check", token_checks(material), writes=False),
        Case("introspection", _repeat(introspections), writes=False),
        Case("read by id", _repeat(reads), spared_too=True),
        Case("search of 20", _repeat(searches), spared_too=True),
        Case("claims inquiry", _claims_inquiries(material, ask), spared_too=True),
        Case("token issue", _refreshes(material)),
        Case("code exchange", _code_exchanges(material)),
        *(Case(f"client_credentials, {one.algorithm}", _client_credentials(one, ask)) for one in material.programs),
        Case("sign-in", _sign_ins(material, ask), connections=4),
        Case("remittance inquiry", _remittance_inquiries(material, ask), spared_too=True),
    ]
    if b"content-encoding" in ask(squeezed[0]).head.lower():
        cases.insert(6, Case("search of 20, compressed", _repeat(squeezed)))
    return cases


def _search_of(patient_id: str) -> str:
    return f"{FHIR}/ExplanationOfBenefit?patient={patient_id}&_count={PAGE}"


def _repeat(requests: list[bytes]) -> Work:
    turns: Iterator[bytes] = cycle(requests)
    return Work(lambda _slot: next(turns), lambda _slot, reply: _require(reply, 200))


def _refreshes(material: Material) -> Work:
    """Each connection refreshes its own family, always with the token of its last answer."""
    current = dict(enumerate(material.refresh_tokens))
    authorization = _basic(material)

    def ask(slot: int) -> bytes:
        form = {"grant_type": "refresh_token", "refresh_token": current[slot]}
        return _post("/oauth/token", form, authorization)

    def take(slot: int, reply: Reply) -> None:
        _require(reply, 200)
        current[slot] = json.loads(reply.body)["refresh_token"]

    return Work(ask, take)


def _code_exchanges(material: Material) -> Work:
    """Each request exchanges a code that nobody used before."""
    codes, authorization = iter(material.codes.values), _basic(material)

    def ask(_slot: int) -> bytes:
        code = next(codes, None)
        if code is None:
            raise WrongAnswer("every code is exchanged: make more of them")
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
            "code_verifier": material.codes.verifier,
        }  # fmt: skip
        return _post("/oauth/token", form, authorization)

    return Work(ask, lambda _slot, reply: _require(reply, 200))


def _client_credentials(program: Program, ask: Ask) -> Work:
    """Each request proves itself by an assertion of its own, signed while others are on their way."""
    issuer = json.loads(ask(_get("/.well-known/oauth-authorization-server")).body)["issuer"]

    def sign(_slot: int) -> bytes:
        return _post("/oauth/token", {
            "grant_type": "client_credentials", "scope": SCOPE, "client_assertion_type": _BY_ASSERTION,
            "client_assertion": program.assertion(issuer), "client_id": program.client_id,
        })  # fmt: skip

    return Work(sign, lambda _slot, reply: _require(reply, 200))


def token_checks(material: Material) -> Work:
    """Reads that are let in or not, and nothing else."""
    return _repeat([_get(TOKEN_CHECK, one.token) for one in material.readers])


def revocations(material: Material) -> list[Deed]:
    """An app ends families one after the other; the read is of the token that must be dead then."""
    authorization = _basic(material)
    read = f"{FHIR}/Coverage?_count=1"
    return [
        Deed(_post("/oauth/revoke", {"token": one.refresh_token}, authorization), _get(read, one.access_token))
        for one in material.revocable
    ]


def _claims_inquiries(material: Material, ask: Ask) -> Work:
    """The first page of Claims Inquiry: twenty claims of an office, for people who are signed in."""
    requests = []
    for office in material.offices:
        page = ask(_get("/sign-in"))
        form = {"csrf_token": _token_of(page), "username": office.username, "password": office.password}
        signed_in = ask(_post("/sign-in", form, _cookies(page)))
        _require(signed_in, 303)
        requests.append(_get("/provider/claims", headers=_cookies(signed_in)))
    first = ask(requests[0])
    _require(first, 200)
    if first.body.count(b'href="/provider/claims/') != PAGE:
        raise WrongAnswer(f"Claims Inquiry did not show {PAGE} claims")
    return _repeat(requests)


def _token_of(page: Reply) -> str:
    found = _CSRF.search(page.body)
    if found is None:
        raise WrongAnswer("the sign-in page has no form")
    return found[1].decode()


def _sign_ins(material: Material, ask: Ask) -> Work:
    """Each time a browser that is known to the account but signed out, with the token of its sign-in form."""
    posts = []
    for account in material.accounts:
        page = ask(_get("/sign-in"))
        form = {"csrf_token": _token_of(page), "username": account.username, "password": account.password}
        first = ask(_post("/sign-in", form, _cookies(page)))
        _require(first, 303)
        device = b"; ".join(cookie for cookie in _COOKIE.findall(first.head) if not cookie.startswith(b"sid="))
        posts.append(_post("/sign-in", form, _cookies(page, device)))
    turns = cycle(posts)
    return Work(lambda _slot: next(turns), lambda _slot, reply: _require(reply, 303))


def _remittance_inquiries(material: Material, ask: Ask) -> Work:
    """An office manager looks for payments by number; every one is found and told on the page."""
    office, page = material.payee, ask(_get("/sign-in"))
    form = {"csrf_token": _token_of(page), "username": office.username, "password": office.password}
    signed_in = ask(_post("/sign-in", form, _cookies(page)))
    _require(signed_in, 303)
    cookies = _cookies(signed_in)
    token = _token_of(ask(_get(_INQUIRY, headers=cookies)))
    posts = [
        _post(_INQUIRY, {"csrf_token": token, "number": number, "paid_from": _LONG_AGO}, cookies)
        for number in office.numbers
    ]
    turns = cycle(posts)
    return Work(lambda _slot: next(turns), lambda _slot, reply: _require_found(reply))


def _introspect(material: Material, token: str) -> bytes:
    return _post("/oauth/introspect", {"token": token}, _basic(material))


def _basic(material: Material) -> str:
    pair = b64encode(f"{material.client_id}:{material.client_secret}".encode()).decode()
    return f"Authorization: Basic {pair}\r\n"


def _cookies(reply: Reply, *others: bytes) -> str:
    return f"Cookie: {b'; '.join((*_COOKIE.findall(reply.head), *others)).decode()}\r\n"


def _get(path: str, token: str | None = None, encoding: str | None = None, headers: str = "") -> bytes:
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    accept = f"Accept-Encoding: {encoding}\r\n" if encoding else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}{accept}{headers}\r\n".encode()


def _post(path: str, form: dict[str, str], headers: str = "") -> bytes:
    body = urlencode(form)
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n{body}"
    ).encode()


def _require(reply: Reply, status: int) -> None:
    if reply.status != status:
        raise WrongAnswer(f"status {reply.status} instead of {status}: {reply.body[:400]!r}")


def _require_found(reply: Reply) -> None:
    _require(reply, 200)
    if b'id="results">Results<' not in reply.body:
        raise WrongAnswer("the inquiry found no payment")


def _require_resource(reply: Reply) -> None:
    _require(reply, 200)
    if json.loads(reply.body)["resourceType"] != "ExplanationOfBenefit":
        raise WrongAnswer("the read gave something else than an ExplanationOfBenefit")


def _require_page(reply: Reply) -> None:
    _require(reply, 200)
    if len(json.loads(reply.body)["entry"]) != PAGE:
        raise WrongAnswer(f"the search did not give {PAGE} claims")


def _require_active(reply: Reply) -> None:
    _require(reply, 200)
    if json.loads(reply.body)["active"] is not True:
        raise WrongAnswer("introspection knows no live token")
