"""What every page of every story must bear: no sideways scrolling, no barrier, and a picture kept of it."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page

from tests.browser.pages import PageMap

_ROOT = Path(__file__).parents[2]
AXE = _ROOT / "tests/clients/node_modules/axe-core/axe.min.js"
SCREENSHOTS = _ROOT / "artifacts/screenshots"
WIDTHS = {360: 740, 1280: 900}
"""The widths in which stories are told, each with its height."""
_TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  const wide = [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > room + 1 || element.scrollWidth > room)
    .map((element) => element.outerHTML.slice(0, 120));
  return wide.length ? wide : ["the page as a whole"];
}"""
# Of tables that stand as cards on a phone: a caption of one word in a line. One for screen readers alone is a dot.
_SQUEEZED = """() => [...document.querySelectorAll("caption:not(.usa-sr-only)")]
  .filter((one) => one.offsetWidth < one.parentElement.offsetWidth / 2)
  .map((one) => one.outerHTML.slice(0, 120))"""
# Everything of WCAG 2.2 to AA, whatever its impact; of the good practices beyond it what bars people from a page.
_BARRIERS = """async () => {
  const rules = { "target-size": { enabled: true } };
  const found = await axe.run(document, { resultTypes: ["violations"], rules });
  return found.violations
    .filter(({ impact, tags }) =>
      tags.some((tag) => /^wcag2\\d?aa?$/.test(tag)) || ["serious", "critical"].includes(impact))
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
}"""
_CONTRAST = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"], runOnly: ["color-contrast"] });
  return found.violations.flatMap(({ nodes }) => nodes.map(({ html, any }) =>
    `${any[0] && any[0].data ? any[0].data.contrastRatio : "?"}:1 ${html.slice(0, 160)}`));
}"""


@dataclass(frozen=True)
class Picture:
    """A picture of one page: of which endpoint, how it was shown, and the file."""

    endpoint: str
    language: str
    width: int
    scheme: str
    file: Path

    @classmethod
    def of_file(cls, file: Path) -> "Picture":
        """The picture that `picture` has taken into this file."""
        endpoint, language, width, scheme = file.stem.rsplit("-", 3)
        return cls(endpoint, language, int(width), scheme, file)


@dataclass
class Looks:
    """Looks at pages in one width and language; `scripts` says whether the pages may run any (axe-core needs them).

    The first pages of the endpoints `due` are looked at in every way and pictured for the album; what is left of `due`
    was never come to. All browsers of a story share it.
    """

    story: str
    language: str
    width: int
    pages: PageMap
    due: set[str]
    scripts: bool = True
    problems: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def at(self, page: Page, name: str) -> None:
        """Look at the page that is open now and keep its picture as `name`; what is wrong is told by `require_good`."""
        self.seen.append(name)
        # The words of a page that a script asked for can be read before its style sheets have come.
        page.wait_for_load_state("load")
        self._note(name, [f"wider than {self.width} pixels: {part}" for part in page.evaluate(_TOO_WIDE)])
        if page.locator("html").get_attribute("lang") != self.language:
            self._note(name, [f"not marked as {self.language}"])
        if self.scripts:
            self._note(name, self._barriers(page))
        folder = SCREENSHOTS / self.story / f"{self.width}-{self.language}"
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{len(self.seen):02}-{name}.png", full_page=True)

    def require_good(self) -> None:
        """Fail with everything that was wrong on the pages of the story."""
        assert not self.problems, "\n".join(self.problems)

    def _barriers(self, page: Page) -> list[str]:
        endpoint = self.pages.endpoint_of(urlsplit(page.url).path)
        if endpoint not in self.due:
            return barriers(page)
        self.due.discard(endpoint)
        picture(page, endpoint, self.language, SCREENSHOTS / "pages")
        return problems_of_any_page(page)

    def _note(self, name: str, problems: list[Any]) -> None:
        self.problems += [f"{name} ({self.width}, {self.language}): {problem}" for problem in problems]


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


def barriers(page: Page) -> list[str]:
    """What axe-core finds on the open page as it is shown."""
    page.evaluate(_axe())
    found: list[str] = page.evaluate(_BARRIERS)
    return found


def problems_of_any_page(page: Page) -> list[str]:
    """What bars people from the open page: in light and in dark, at 320 pixels, and with text at twice its size."""
    problems = barriers(page)
    page.emulate_media(color_scheme="dark")
    problems += [f"in the dark: {one}" for one in page.evaluate(_CONTRAST)]
    page.emulate_media(color_scheme="light")
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    problems += [f"at 320 pixels: {part}" for part in page.evaluate(_TOO_WIDE)]
    problems += [f"squeezed at 320 pixels: {part}" for part in page.evaluate(_SQUEEZED)]
    page.set_viewport_size(size or {"width": 1280, "height": 900})
    page.evaluate("() => { document.documentElement.style.fontSize = '225%'; }")
    problems += [f"with text at 200 %: {part}" for part in page.evaluate(_TOO_WIDE)]
    page.evaluate("() => { document.documentElement.style.fontSize = ''; }")
    return problems


def picture(page: Page, endpoint: str, language: str, folder: Path) -> list[Picture]:
    """Take the open page in every width, on the phone in the dark too; its size and colors are as before then."""
    folder.mkdir(parents=True, exist_ok=True)
    size, made = page.viewport_size, []
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark") if width == min(WIDTHS) else ("light",):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            file = folder / f"{endpoint}-{language}-{width}-{scheme}.png"
            page.screenshot(path=file, full_page=True)
            made.append(Picture(endpoint, language, width, scheme, file))
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(size or {"width": 1280, "height": 900})
    return made
