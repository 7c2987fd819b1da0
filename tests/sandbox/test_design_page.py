"""The page of the design system shows every component there is, and stands in the sandbox only."""

import re

from flask.testing import FlaskClient

from service.sandbox import design_page
from tests.conftest import ROOT

_NAMED = r"\s--([a-z0-9-]+):"


def test_every_component_stands_on_the_page_with_an_example(client: FlaskClient) -> None:
    page = client.get("/sandbox/design").text

    shown = re.findall(r'<section class="ls-app" id="(\w+)">', page)
    assert sorted(shown) == sorted(design_page.macros())
    assert all(f"--{name}" in page for name in design_page.colors())


def test_colours_stand_in_the_palette_alone() -> None:
    named = (ROOT / "service/static/palette.css").read_text("utf-8")
    used = (ROOT / "service/static/latchstring.css").read_text("utf-8")

    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", used)) <= set(design_page.colors())
    # Logos stand on white in either.
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", used)) == {"#fff"}
    light, dark = named.split("@media screen and (prefers-color-scheme: dark)")
    kept = {"strong", "alarm", "on-strong"}
    assert set(re.findall(_NAMED, light)) == set(re.findall(_NAMED, dark)) | kept


def test_every_macro_of_the_library_is_used_by_pages() -> None:
    used = "".join(path.read_text("utf-8") for path in (ROOT / "service/templates").rglob("*.html"))

    assert [name for name in design_page.macros() if len(re.findall(rf"\b{name}\(", used)) < 3] == []
