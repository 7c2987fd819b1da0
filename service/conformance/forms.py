"""The forms and links of a page, as a browser without JavaScript reads them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

_TICKED = frozenset({"checkbox", "radio"})
Boxes = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Control:
    """One input or button. `on` says whether a tick stands there already; it is always so for other inputs."""

    name: str
    value: str
    kind: str
    on: bool = True


@dataclass
class Form:
    """One form with its controls in the order of the page, the words in it, and those before it in its section."""

    action: str
    controls: list[Control] = field(default_factory=list)
    words: str = ""
    about: str = ""

    def has(self, *names: str) -> bool:
        """Whether there is a control of each of these names."""
        return set(names) <= {control.name for control in self.controls}

    def offered(self, name: str) -> list[str]:
        """The values that boxes, radios or buttons of this name offer."""
        return [control.value for control in self.controls if control.name == name]

    def filled(self, typed: Mapping[str, str] | None = None, ticked: Boxes | None = None) -> list[tuple[str, str]]:
        """What a browser sends after texts were `typed`, and the boxes named in `ticked` set exactly so."""
        typed, ticked = typed or {}, ticked or {}
        return [
            (control.name, typed.get(control.name, control.value))
            for control in self.controls
            if control.kind != "button"
            and (control.value in ticked[control.name] if control.name in ticked else control.on)
        ]


@dataclass
class Page:
    """The forms of a page, and the addresses that its links lead to."""

    forms: list[Form] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collects what a page holds."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._open: Form | None = None
        self._section = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take up a form, a control of the one that is open, or a link."""
        given = {name: value or "" for name, value in attrs}
        if tag == "section":
            self._section = ""
        elif tag == "form":
            self._open = Form(given.get("action", ""), about=self._section)
            self.page.forms.append(self._open)
        elif tag == "a" and given.get("href"):
            self.page.links.append(given["href"])
        elif self._open is not None and tag in {"input", "button"} and given.get("name"):
            self._open.controls.append(_control(tag, given, ticked="checked" in given))

    def handle_endtag(self, tag: str) -> None:
        """Close the form."""
        if tag == "form":
            self._open = None

    def handle_data(self, data: str) -> None:
        """Keep the words of the form."""
        self._section += data
        if self._open is not None:
            self._open.words += data


def read(page: str) -> Page:
    """What stands on `page`."""
    reader = _Reader()
    reader.feed(page)
    return reader.page


def _control(tag: str, given: dict[str, str], *, ticked: bool) -> Control:
    kind = "button" if tag == "button" else given.get("type", "text")
    return Control(given["name"], given.get("value", ""), kind, ticked or kind not in _TICKED)
