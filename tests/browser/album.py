"""The album: a picture of every page that is found by walking, in two widths, in English and Spanish, light and dark.

`make album` writes docs/album/index.html with its pictures beside it; nothing of it is kept in the repository.
"""

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from service.app import create_app
from service.db import make_engine
from service.sandbox import prepare
from service.settings import Settings
from tests.browser.codes import Codes
from tests.browser.conftest import ARGUMENTS, WIDTHS, Story, find_chromium
from tests.browser.sandbox import Sandbox, running_sandbox
from tests.browser.smart_app import AppSite
from tests.browser.walking import Walker, walk, walkers

ALBUM = Path(__file__).parents[2] / "docs/album"
_COLORS = 64
_STYLE = (
    "body{font:16px sans-serif;margin:2rem;color-scheme:light dark}figure{display:inline-block;margin:0 1rem 1rem 0;"
    "vertical-align:top}img{border:1px solid #888;max-height:30rem;width:auto}figcaption{font-size:.85rem}"
)


@dataclass(frozen=True)
class Picture:
    """A picture of one page: whose, which, and how it was shown."""

    who: str
    endpoint: str
    shown: str
    file: str


def main() -> None:
    """Make the album anew."""
    shutil.rmtree(ALBUM, ignore_errors=True)
    ALBUM.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, AppSite() as site:
        template = Path(folder) / "template"
        prepare.prepare(Settings.from_environment({"VAR": str(template)}), Console(quiet=True))
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        pictures: list[Picture] = []
        for language in ("en", "es"):
            var = Path(folder) / language
            var.mkdir()
            with running_sandbox(template, var) as sandbox:
                pictures += _of_language(chromium, sandbox, site, language)
        chromium.close()
    (ALBUM / "index.html").write_text(_page(pictures), encoding="utf-8")
    size = sum(file.stat().st_size for file in ALBUM.iterdir())
    pages = len({one.endpoint for one in pictures})
    print(f"{len(pictures)} pictures of {pages} pages, {size / 1e6:.1f} MB: {ALBUM}/index.html")


def _of_language(chromium: Browser, sandbox: Sandbox, site: AppSite, language: str) -> list[Picture]:
    settings = Settings.from_environment(sandbox.environment)
    app, codes, done = create_app(settings, make_engine(settings.database_url)), Codes(sandbox), set[str]()
    pictures: list[Picture] = []
    for walker in walkers():
        if language != "en" and not walker.of_members:
            continue
        story = Story(chromium, sandbox, site, "album", 1280, language)
        person = walker.enters(story, codes)
        person.page.goto(f"{sandbox.url}/?lang={language}")
        found = walk(app, person.page.context, sandbox.url, (*walker.starts, *person.ways))
        for endpoint, path in sorted(found.pages.items()):
            if endpoint not in done:
                person.open(path)
                pictures += _of_page(person.page, walker, endpoint, language)
        done |= set(found.pages)
        story.end()
        print(f"{language} {walker.name}: {len(found.pages)} pages", file=sys.stderr)
    return pictures


def _of_page(page: Page, walker: Walker, endpoint: str, language: str) -> list[Picture]:
    made = []
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark") if width == min(WIDTHS) else ("light",):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            file = f"{endpoint}-{language}-{width}-{scheme}.png"
            page.screenshot(path=ALBUM / file, full_page=True)
            _shrink(ALBUM / file)
            made.append(Picture(walker.name, endpoint, f"{language}, {width} px, {scheme}", file))
    page.emulate_media(color_scheme="light")
    return made


def _shrink(file: Path) -> None:
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(_COLORS)
    small.save(file, optimize=True)


def _page(pictures: list[Picture]) -> str:
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>Album</title><style>{_STYLE}</style>"
    parts = [f"{head}<h1>Every page</h1>"]
    for endpoint in dict.fromkeys(one.endpoint for one in pictures):
        mine = [one for one in pictures if one.endpoint == endpoint]
        parts.append(f"<h2>{escape(endpoint)} <small>({escape(mine[0].who)})</small></h2>")
        parts += [_figure(one) for one in mine]
    return "\n".join(parts)


def _figure(one: Picture) -> str:
    picture = f'<img loading=lazy src="{one.file}" alt="{escape(one.endpoint)}, {one.shown}">'
    return f'<figure><a href="{one.file}">{picture}</a><figcaption>{one.shown}</figcaption></figure>'


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main()
