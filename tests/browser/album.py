"""The album: a picture of every page, in two widths, in English and Spanish, on the phone in the dark too.

`make album` walks to what links lead to, has the stories told that come to the other pages, and writes
docs/album/index.html with the pictures beside it; nothing of it is kept in the repository. It fails where a page has no
picture.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from html import escape
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from service.sandbox import prepare
from service.settings import Settings
from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.looking import SCREENSHOTS, Picture, picture
from tests.browser.pages import ELSEWHERE, OF_OTHERS, PageMap
from tests.browser.sandbox import Sandbox, running_sandbox
from tests.browser.smart_app import AppSite
from tests.browser.walking import walk, walkers
from tests.chromium import launch
from tests.conftest import ROOT

ALBUM = ROOT / "docs/album"
_OF_STORIES = SCREENSHOTS / "pages"
_LANGUAGES = ("en", "es")
_COLORS = 64
_STYLE = (
    "body{font:16px sans-serif;margin:2rem;color-scheme:light dark}figure{display:inline-block;margin:0 1rem 1rem 0;"
    "vertical-align:top}img{border:1px solid #888;max-height:30rem;width:auto}figcaption{font-size:.85rem}"
    "nav ul{columns:18rem;padding-left:1.2rem}"
)
_AUDIENCES = {"provider": "Provider offices and billing firms", "staff": "Plan staff", "developer": "App developers"}


def main() -> int:
    """Make the album anew; 1 where a page has no picture, or a story found something wrong."""
    argparse.ArgumentParser(prog="make album", description=__doc__).parse_args()
    for old in (ALBUM, _OF_STORIES):
        shutil.rmtree(old, ignore_errors=True)
    ALBUM.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template"
        # The stories make a sandbox of their own meanwhile.
        stories = _tell_stories(Path(folder) / "stories.txt")
        settings = Settings.from_environment({"VAR": str(template)})
        prepare.prepare(settings, Console(quiet=True))
        pages = PageMap(settings)
        pictures = _walked(template, pages, Path(folder))
        failed = stories.wait()
        if failed:
            print((Path(folder) / "stories.txt").read_text(encoding="utf-8"), file=sys.stderr)
    pictures += [_put(Picture.of_file(file)) for file in sorted(_OF_STORIES.glob("*.png"))]
    pictures = list(dict.fromkeys(pictures))
    (ALBUM / "index.html").write_text(_page(pictures), encoding="utf-8")
    missing = _missing(pictures, pages)
    size = sum(file.stat().st_size for file in ALBUM.iterdir())
    shown = len({one.endpoint for one in pictures})
    print(f"{len(pictures)} pictures of {shown} pages, {size / 1e6:.1f} MB: {ALBUM}/index.html")
    if missing:
        print("No picture of:", *missing, sep="\n  ", file=sys.stderr)
    return 1 if failed or missing else 0


def _tell_stories(report: Path) -> subprocess.Popen[bytes]:
    """Start the stories of the pages to which no link leads: each once in each language, at the desk."""
    stories = sorted({f"tests/browser/{story.replace('::', '.py::')}" for story in ELSEWHERE.values()})
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", "-k", "1280", *stories]
    with report.open("wb") as file:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"BROWSER_LONG": "1"}, stdout=file, stderr=subprocess.STDOUT
        )  # fmt: skip


def _walked(template: Path, pages: PageMap, folder: Path) -> list[Picture]:
    made: list[Picture] = []
    with sync_playwright() as playwright, AppSite() as site:
        chromium = launch(playwright)
        for language in _LANGUAGES:
            var = folder / language
            var.mkdir()
            with running_sandbox(template, var) as sandbox:
                made += _of_language(chromium, sandbox, site, language, pages)
        chromium.close()
    return made


def _of_language(
    chromium: Browser, sandbox: Sandbox, site: AppSite, language: str, pages: PageMap
) -> list[Picture]:  # fmt: skip
    codes, done, made = Codes(sandbox), set[str](), list[Picture]()
    for walker in walkers():
        if language != "en" and not walker.of_members:
            continue
        story = Story(chromium, sandbox, site, "album", 1280, language, pages)
        person = walker.enters(story, codes)
        person.page.goto(f"{sandbox.url}/?lang={language}")
        found = walk(pages, person.page.context, sandbox.url, (*walker.starts, *person.ways))
        for endpoint, path in sorted(found.pages.items()):
            if endpoint in done or not _is_due(endpoint, language):
                continue
            person.open(path)
            made += [_put(one) for one in picture(person.page, endpoint, language, ALBUM)]
        done |= set(found.pages)
        story.end()
        print(f"{language} {walker.name}: {len(found.pages)} pages", file=sys.stderr)
    return made


def _is_due(endpoint: str, language: str) -> bool:
    return language == "en" or not endpoint.startswith(OF_OTHERS)


def _missing(pictures: list[Picture], pages: PageMap) -> list[str]:
    """The pages of which there is no picture in a language in which they are shown."""
    taken = {(one.endpoint, one.language) for one in pictures}
    due = ((endpoint, language) for endpoint in sorted(pages.pages()) for language in _LANGUAGES)
    return [
        f"{endpoint} ({language})"
        for endpoint, language in due
        if _is_due(endpoint, language) and (endpoint, language) not in taken
    ]


def _put(one: Picture) -> Picture:
    """Make the picture small, in the album."""
    small = ALBUM / one.file.name
    with Image.open(one.file) as opened:
        quantized = opened.convert("RGB").quantize(_COLORS)
    quantized.save(small, optimize=True)
    return Picture.of_file(small)


def _page(pictures: list[Picture]) -> str:
    by_audience: dict[str, dict[str, list[Picture]]] = defaultdict(lambda: defaultdict(list))
    for one in sorted(pictures, key=lambda one: one.endpoint):
        audience = _AUDIENCES.get(one.endpoint.partition("_")[0], "Members, representatives and everybody")
        by_audience[audience][one.endpoint].append(one)
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>Album</title><style>{_STYLE}</style>"
    parts = [f"{head}<h1>Every page</h1><nav>"]
    for audience in sorted(by_audience):
        links = "".join(f'<li><a href="#{name}">{escape(name)}</a>' for name in by_audience[audience])
        parts.append(f"<h2>{audience} ({len(by_audience[audience])})</h2><ul>{links}</ul>")
    parts.append("</nav>")
    for audience in sorted(by_audience):
        for endpoint, mine in by_audience[audience].items():
            parts.append(f'<h2 id="{endpoint}">{escape(endpoint)}</h2>')
            parts += [_figure(one) for one in mine]
    return "\n".join(parts)


def _figure(one: Picture) -> str:
    shown = f"{one.language}, {one.width} px, {one.scheme}"
    image = f'<img loading=lazy src="{one.file.name}" alt="{escape(one.endpoint)}, {shown}">'
    return f'<figure><a href="{one.file.name}">{image}</a><figcaption>{shown}</figcaption></figure>'


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
