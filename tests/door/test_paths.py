"""Paths that are written otherwise than they are routed: where they lead is ours to say, not the caller's."""

import pytest
from flask.testing import FlaskClient

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("host", ["localhost", "other.example", "other.example:8000", "a b", "[::1", "\xff"])
@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/staff", "/staff/"), ("//staff", "/staff/"), ("/oauth//authorize", "/oauth/authorize"),
        ("//other.example//sign-in", None),
    ],
)  # fmt: skip
def test_the_right_spelling_is_told_without_the_host_that_was_asked_for(
    client: FlaskClient, host: str, path: str, place: str | None
) -> None:
    answer = client.get("/", environ_overrides={"HTTP_HOST": host, "PATH_INFO": path, "QUERY_STRING": "a=%2Fb&c"})

    if place is None:
        assert answer.status_code in {308, 404} and "other.example//" not in answer.headers.get("Location", "")
        return
    assert answer.status_code == 308 and answer.headers["Location"] == f"{place}?a=%2Fb&c"
    assert answer.headers["Cache-Control"] == "no-store"
