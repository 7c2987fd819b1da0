"""Browsers by names that people know."""

import pytest

from service.member.browsers import name_of

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/156.0.0.0 Safari/537.36", "Chrome, Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Linux; Android 16) {_WEBKIT} Chrome/156.0.0.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15_1; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox, Mac"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 300, "x" * 60),
        ("", ""),
        (None, ""),
    ],
)
def test_browsers_have_names_that_people_know(given: str | None, name: str) -> None:
    assert name_of(given) == name
