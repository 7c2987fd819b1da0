"""Logos of apps on our pages: our own bytes from our own origin, or a letter (security.md, case 73)."""

import re

import pytest
from sqlalchemy import func, select

from oauth.apps import logo_reading
from oauth.models import AppLogo
from service.sandbox import sample_apps, sample_logos
from tests.member.pages import Reader, form_to
from tests.oauth.desk import App, Desk
from tests.oauth.pictures import picture

IMAGES = re.compile(r"<img\b[^>]*>")
LOGO = logo_reading.read(picture())
ADDRESS = f"/oauth/logos/{LOGO.digest}.png"


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def pages_about(rosa: Reader, app: App) -> list[str]:
    """The consent screen, the console and the receipt."""
    asked = rosa.ask(app)
    rosa.allow(asked)
    console = rosa.get("/apps").text
    (receipt,) = re.findall(r'href="(/apps/answers/[^"]+)"', console)
    return [asked.text, console, rosa.get(receipt).text]


def test_case_073_a_logo_is_shown_from_our_own_origin_with_its_name(desk: Desk, rosa: Reader) -> None:
    app = desk.register(name="Pill Diary", logo=LOGO)

    asked, console, receipt = pages_about(rosa, app)
    for page in (asked, console, receipt):
        (image,) = IMAGES.findall(page)
        assert f'src="{ADDRESS}"' in image
        # In the list of the console it stands beside the name, and waits until it is scrolled to.
        assert ('alt="" ' if page is console else 'alt="Logo of Pill Diary"') in image.replace('">', '" >')
        assert ('loading="lazy"' in image) is (page is console)


def test_an_app_without_a_logo_has_a_letter_that_is_not_read_aloud(desk: Desk, rosa: Reader) -> None:
    for page in pages_about(rosa, desk.register(name="éclair Diary")):
        assert IMAGES.findall(page) == []
        assert re.search(r'<span class="ls-logo ls-logo--letter" aria-hidden="true">É</span>', page)


def test_the_words_about_a_logo_are_spanish_too(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register(name="Pill Diary", logo=LOGO))
    request_id = form_to(page.text, "/consent").fields["request"]

    assert 'alt="Logotipo de Pill Diary"' in rosa.get(f"/consent?request={request_id}&lang=es").text


def test_case_073_the_address_gives_the_picture_as_a_picture_for_ever(desk: Desk) -> None:
    desk.register(logo=LOGO)

    answer = desk.app.test_client().get(ADDRESS)

    assert answer.status_code == 200 and answer.data == LOGO.png
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "name", [LOGO.digest.upper(), LOGO.digest[:-1], "0" * 64, "..%2f..%2fetc", "%00", "x' OR 1=1 --", LOGO.digest + "x"]
)
def test_case_073_no_other_address_gives_any(desk: Desk, name: str) -> None:
    desk.register(logo=LOGO)

    answer = desk.app.test_client().get(f"/oauth/logos/{name}.png")

    assert answer.status_code in {400, 404} and answer.mimetype == "text/html"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_picture_that_two_apps_show_is_kept_once(desk: Desk) -> None:
    first, second = desk.register(logo=LOGO), desk.register(logo=LOGO)

    assert first.view.logo_digest == second.view.logo_digest == LOGO.digest
    with desk.session() as session:
        assert session.scalar(select(func.count()).select_from(AppLogo)) == 1


def test_every_app_of_the_sandbox_has_a_logo_of_its_own() -> None:
    digests = {sample_logos.draw(app.client_id).digest for app in sample_apps.SAMPLE_APPS}

    assert len(digests) == len(sample_apps.SAMPLE_APPS)
