"""What strangers write, tried as they would not: it is read or refused, never a fault, and what is read holds."""

import json
import string
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from hypothesis import assume, example, given
from hypothesis import strategies as st
from joserfc.jws import JWSRegistry

from consent import scopes
from oauth.apps import client_metadata, redirects
from oauth.apps.client_metadata import MetadataRefused
from oauth.callers import assertions
from oauth.statements import find_keys
from oauth.tokens import dpop
from service import web
from service.clock import now
from tests.fuzz.conftest import FEW, VALUES, trying
from tests.oauth.desk import CALLBACK, Desk
from tests.oauth.keyed import Program, ec, part, register_keyed, rsa
from tests.oauth.programs import REGISTER, metadata
from tests.oauth.proofs import TOKEN, Prover

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
SCOPE_PIECES = st.sampled_from([
    "patient", "user", "system", "/", ".", "*", "Observation", "Condition", "ExplanationOfBenefit", "read", "write",
    "rs", "cruds", "r", "?", "category", "type", "=", "&", "|", "%20", "%26", "%3D", "+", "http://a.example/x", " ",
    "openid", "launch/patient", "offline_access", "lab", "\t", "é",
])  # fmt: skip
URL_PIECES = st.sampled_from([
    "https", "http", "com.example.app", "javascript", "data", ":", "//", "/", "localhost", "127.0.0.1", "[::1]", "[",
    "app.example.org", "@", "user", ":80", ":0", ":99999", ":x", "..", "%2e", ".", "?", "#", "&", "=", "%0d%0a", "\\",
    "*", "callback", " ", "\n", "é", "\u202e", "\x00",
])  # fmt: skip
REGISTERED = [CALLBACK, "http://127.0.0.1/cb", "http://[::1]:8080/cb", "com.example.app:/cb"]


def joined(pieces: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(pieces, max_size=14).map("".join) | st.text(max_size=60)


@trying(VALUES)
@given(joined(SCOPE_PIECES))
def test_a_scope_read_and_printed_reads_as_itself(text: str) -> None:
    found = scopes.parse(text)
    assert scopes.parse(str(found)) == found
    assert found.within(found) and str(found.meet(found)) == str(scopes.parse(str(found.meet(found))))
    assert found.without(*found.words).words == ()


@trying(VALUES)
@given(joined(SCOPE_PIECES), joined(SCOPE_PIECES))
def test_what_two_scopes_meet_in_is_within_both(one: str, two: str) -> None:
    met = scopes.parse(one).meet(scopes.parse(two))
    assert met.within(scopes.parse(one)) and met.within(scopes.parse(two))


@trying(VALUES)
@given(joined(URL_PIECES), st.booleans())
def test_an_address_that_is_registered_is_safe_and_matches_itself_alone(uri: str, sandbox: bool) -> None:
    try:
        redirects.require_registrable(uri, sandbox=sandbox)
    except redirects.RedirectRefused:
        assert redirects.host_of(uri) is None or isinstance(redirects.host_of(uri), str)
        return
    scheme = urlsplit(uri).scheme
    assert scheme in {"https", "http"} or "." in scheme
    assert scheme != "http" or urlsplit(uri).hostname in {"127.0.0.1", "::1", "localhost"}
    assert redirects.matches([uri], uri) and "#" not in uri
    back = redirects.with_parameters(uri, code="c&d", state="é")
    assert back.startswith(uri) and parse_qs(urlsplit(back).query)["code"][-1] == "c&d"


@trying(VALUES)
@given(st.sampled_from(REGISTERED), st.integers(0, 30), st.integers(0, 3), joined(URL_PIECES))
def test_an_address_that_is_accepted_is_a_registered_one(uri: str, at: int, cut: int, put: str) -> None:
    given_uri = uri[:at] + put + uri[at + cut :]
    if not redirects.matches(REGISTERED, given_uri):
        assert given_uri not in REGISTERED
        return
    if given_uri in REGISTERED:
        return
    parts = urlsplit(given_uri)
    assert parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1"}
    host = "[::1]" if parts.hostname == "::1" else "127.0.0.1"
    assert given_uri == f"http://{host}:{parts.port}/cb", "only the port of a loopback address is free"


# Numbers that a claim says are seconds since 1970, and what JSON writes that are none.
TIMES = (
    st.integers(-(10**30), 10**30) | st.integers(10**9, 1 << 42) | st.floats()
    | st.floats(-120, 120).map(lambda seconds: now().timestamp() + seconds)
    | st.sampled_from([253402300799, 253402300800, 1 << 39, 1 << 40, 10**12, 10**400, True, "1700000000", -62135596801])
)  # fmt: skip
NONE: st.SearchStrategy[dict[str, Any]] = st.just({})
PROOF_CLAIMS = st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "ath"]), JSON) | st.fixed_dictionaries(
    {}, optional={"iat": TIMES, "htu": joined(URL_PIECES), "jti": st.text(max_size=300)}
)
JWKS = st.fixed_dictionaries({}, optional={
    "kty": st.sampled_from(["EC", "RSA", "OKP", "oct"]) | JSON, "crv": st.sampled_from(["P-256", "P-384", "x"]) | JSON,
    **dict.fromkeys(["x", "y", "n", "e", "d"], st.binary(max_size=300).map(part) | JSON),
})  # fmt: skip
HEADERS = st.fixed_dictionaries({}, optional={
    "alg": st.sampled_from(["none", "HS256", "RS256", "RS384", "ES256", "ES384", "PS384", "", "rs384"]) | LEAVES,
    "typ": st.sampled_from(["JWT", "jwt", "dpop+jwt"]) | LEAVES, "kid": st.sampled_from(["rsa-1", "ec-1"]) | LEAVES,
    "jku": LEAVES, "crit": st.just(["exp"]) | LEAVES, "b64": LEAVES, "jwk": JSON | JWKS, "zip": st.just("DEF"),
})  # fmt: skip
CLAIMS = st.fixed_dictionaries({}, optional={
    "iss": LEAVES, "sub": LEAVES, "aud": JSON, "jti": LEAVES,
    **dict.fromkeys(["exp", "iat", "nbf"], TIMES | LEAVES),
})  # fmt: skip


def test_nothing_but_a_whole_assertion_by_rs384_or_es384_proves_an_app(app: Flask, desk: Desk) -> None:
    programs = [register_keyed(desk, rsa()), register_keyed(desk, ec())]
    met: Counter[bool] = Counter()

    @trying(FEW)
    @given(st.sampled_from(programs), NONE | HEADERS, NONE | CLAIMS, st.binary(max_size=40), st.booleans())
    # Of sixty that are drawn none may be whole.
    @example(program=programs[0], header={}, changed={}, noise=b"", signed=True)
    @example(program=programs[1], header={}, changed={}, noise=b"", signed=True)
    def prove(program: Program, header: dict[str, Any], changed: dict[str, Any], noise: bytes, signed: bool) -> None:
        claims = program.claims() | changed
        content = [part({"alg": program.pair.algorithm, "kid": program.pair.kid, "typ": "JWT"} | header), part(claims)]
        text = ".".join([*content, part(noise)])
        if signed and header.get("alg") in {None, "RS256", "ES256", "RS384", "ES384", "PS384"}:
            algorithm = header.get("alg") or program.pair.algorithm
            assume(algorithm[:2] in {"ES", "RS", "PS"} and (algorithm[0] == "E") == (program.pair.algorithm[0] == "E"))
            assume(algorithm != "ES256")
            text = program.pair.sign(claims, **{**header, "alg": algorithm})
        taken, proof = assertions.read(text), None
        if taken is not None:
            with app.test_request_context(), web.latchstring().sessions() as session:
                keys = find_keys(session, program.id)
                assert keys is not None
                proof = assertions.prove(session, program.id, keys, taken, desk.settings)
        met[proof is not None] += 1
        if proof is not None:
            # What is null here is left out of what is signed.
            sent = {name: value for name, value in header.items() if value is not None}
            assert signed and sent.get("alg", program.pair.algorithm) == program.pair.algorithm
            assert sent.get("typ", "JWT") == "JWT" and not {"crit", "b64", "jwk"} & set(sent)
            assert claims["iss"] == claims["sub"] == program.id and isinstance(claims["jti"], str)

    prove()
    assert met[True] and met[False], met


@trying(VALUES)
@given(st.text(max_size=80) | st.lists(st.text(string.ascii_letters, max_size=9), max_size=5).map(".".join))
def test_what_is_no_assertion_names_nobody(text: str) -> None:
    taken = assertions.read(text)
    assert taken is None or isinstance(taken.issuer, str)


def test_nothing_but_a_whole_proof_proves_a_key(app: Flask, desk: Desk) -> None:
    prover = Prover()
    met: Counter[bool] = Counter()

    @trying(FEW)
    @given(NONE | HEADERS, NONE | PROOF_CLAIMS, st.binary(max_size=9), st.booleans())
    @example(header={}, claims={}, noise=b"", signed=True)
    def prove(header: dict[str, Any], claims: dict[str, Any], noise: bytes, signed: bool) -> None:
        top, body, _ = prover.proof().split(".")
        head, said = json.loads(dpop._decoded(top)) | header, json.loads(dpop._decoded(body)) | claims
        content = f"{part(head)}.{part(said)}"
        signature = JWSRegistry.algorithms["ES256"].sign(content.encode(), prover.key) if signed else noise
        with app.app_context(), web.latchstring().sessions() as session:
            for proof in (f"{content}.{part(signature)}", content[: len(noise)], noise.decode("latin-1")):
                try:
                    key = dpop.prove(session, proof, method="POST", uri=TOKEN)
                except dpop.ProofRefused:
                    met[False] += 1
                    continue
                met[True] += 1
                assert signed and key == prover.jkt and (head["alg"], head["typ"]) == ("ES256", "dpop+jwt")
                assert said["htm"] == "POST" and isinstance(said["jti"], str) and head["jwk"] == prover.jwk
            session.rollback()

    prove()
    assert met[True] and met[False], met


NAMES = st.sampled_from([*client_metadata.SHAPES, "software_statement", "client_id", "logo_uri", "x"])


@trying(VALUES)
@given(st.dictionaries(NAMES, JSON, max_size=6), st.booleans())
def test_metadata_is_read_or_refused(said: dict[str, Any], good: bool) -> None:
    try:
        found = client_metadata.read(metadata() | said if good else said)
    except MetadataRefused as refused:
        assert refused.reason.isascii()
        return
    assert found.content.name.isprintable() and found.method in found.to_registration(developer_name="x").method


def test_a_registration_is_made_and_changed_or_refused(desk: Desk) -> None:
    browser = desk.app.test_client()
    met: Counter[int] = Counter()

    @trying(FEW)
    @given(st.dictionaries(NAMES, JSON | joined(URL_PIECES), max_size=3))
    def register(said: dict[str, Any]) -> None:
        answer = browser.post(REGISTER, data=json.dumps(metadata() | said), content_type="application/json")
        assert answer.status_code in {201, 400}, (answer.status_code, answer.text)
        met[answer.status_code] += 1
        if answer.status_code == 400:
            assert answer.get_json()["error"] in {
                "invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement",
                "unapproved_software_statement",
            }  # fmt: skip
            return
        told = answer.get_json()
        assert told["redirect_uris"] and all(
            redirects.matches(told["redirect_uris"], uri) for uri in told["redirect_uris"]
        )
        own = {"Authorization": f"Bearer {told['registration_access_token']}"}
        path = f"{REGISTER}/{told['client_id']}"
        again = {name: told[name] for name in (*client_metadata.SHAPES, "client_id") if name in told}
        put = browser.put(path, json=again, headers=own)
        assert put.status_code == 200, put.text
        assert {name: put.get_json()[name] for name in again} == again
        assert browser.delete(path, headers=own).status_code == 204

    register()
    assert met[201] and met[400], met


def test_an_authorization_request_goes_on_or_ends_where_it_may(desk: Desk) -> None:
    app, browser = desk.register(redirect_uris=REGISTERED), desk.app.test_client()
    good = desk.parameters(app)
    met: Counter[int] = Counter()
    values = (
        st.text(max_size=30) | joined(URL_PIECES) | joined(SCOPE_PIECES) | st.sampled_from([*good.values(), "none"])
    )
    named = st.sampled_from([*good, "prompt", "max_age", "nonce", "launch", "request", "request_uri", "dpop_jkt", "x"])

    @trying(FEW * 3)
    @given(st.lists(st.tuples(named, values), max_size=4), st.booleans(), st.booleans())
    def ask(changed: list[tuple[str, str]], posted: bool, repeated: bool) -> None:
        sent: Any = [*good.items(), *changed] if repeated else (good | dict(changed))
        pairs = sent if isinstance(sent, list) else list(sent.items())
        if any("\ud800" <= letter <= "\udfff" for _, value in pairs for letter in value):
            return
        path = "/oauth/authorize"
        query: dict[str, list[str]] = {}
        for name, value in pairs:
            query.setdefault(name, []).append(value)
        answer = browser.post(path, data=query) if posted else browser.get(path, query_string=query)
        assert answer.status_code in {303, 400}, (answer.status_code, answer.text)
        met[answer.status_code] += 1
        if answer.status_code == 303 and not answer.location.startswith("/"):
            assert redirects.matches(REGISTERED, answer.location.partition("?")[0])
            assert "error" in parse_qs(urlsplit(answer.location).query)

    ask()
    assert met[303] and met[400], met
