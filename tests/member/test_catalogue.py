"""The Spanish catalogue has no gap, keeps every placeholder, and is compiled as committed."""

import re
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from consent import data_types, link_words
from consent.models import Basis, Duration, EndedBy, LinkScope
from oauth.apps import connections
from service.member.consent import consent_words
from tests.conftest import ROOT

SPANISH = ROOT / "service/translations/es/LC_MESSAGES"
_KEYWORDS = {"_": None, "N_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("templates/**.html", "jinja2")]
# Offices, plan staff and app developers work in English (docs/decisions/0015); their sentences are marked all the same.
_ENGLISH_ONLY = (
    "provider/", "staff/", "developer/", "templates/provider/", "templates/staff/", "templates/developer/",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"%\(\w+\)s")


def catalogue() -> Catalog:
    return read_po(BytesIO((SPANISH / "messages.po").read_bytes()), locale="es")


def sentences_in_use() -> dict[str, str]:
    """Every marked sentence of the product, and the file where it stands."""
    found: dict[str, str] = {}
    for package in ("service", "oauth", "consent"):
        for name, _line, message, _comments, _context in extract_from_dir(
            str(ROOT / package), method_map=_METHODS, options_map={}, keywords=_KEYWORDS
        ):
            if not name.startswith(_ENGLISH_ONLY):
                found[message if isinstance(message, str) else message[0]] = f"{package}/{name}"
    return found


def forms_of(text: str | tuple[str, ...] | list[str]) -> list[str]:
    """The one form of a sentence, or the several of one that counts something."""
    return [text] if isinstance(text, str) else list(text)


def pairs_of(words: Catalog) -> dict[str, list[str]]:
    """Each sentence with its translation, in all its forms."""
    return {forms_of(message.id)[0]: forms_of(message.string) for message in words if message.id}


def test_every_sentence_is_translated() -> None:
    spanish = catalogue()
    missing = {
        text: place
        for text, place in sentences_in_use().items()
        if text not in spanish or not all(forms_of(spanish[text].string))
    }

    assert len(sentences_in_use()) > 300
    assert missing == {}


def test_no_translation_is_fuzzy_or_loses_a_placeholder() -> None:
    for message in catalogue():
        if message.id:
            assert not message.fuzzy, message.id
            wanted = {name for form in forms_of(message.id) for name in _PLACEHOLDER.findall(form)}
            kept = [set(_PLACEHOLDER.findall(form)) for form in forms_of(message.string)]
            assert kept[-1] == wanted and all(one <= wanted for one in kept), message.id


def test_the_compiled_catalogue_is_in_step() -> None:
    compiled = read_mo(BytesIO((SPANISH / "messages.mo").read_bytes()))

    assert pairs_of(compiled) == pairs_of(catalogue())


def test_every_choice_has_words() -> None:
    assert set(consent_words.DURATIONS) == set(Duration)
    assert set(link_words.BASES) == set(Basis)
    assert set(link_words.LINK_SCOPES) == set(LinkScope)
    assert set(data_types.HEADS) == set(data_types.Head)
    assert set(connections.ENDED_BY) == set(EndedBy)


def test_templates_write_no_sentence_past_the_catalogue() -> None:
    for path in _member_templates():
        written = re.sub(
            r"\{% block width %\}.*?\{% endblock %\}|>[a-z/.-]+\.gov[a-z/-]*<", " ", path.read_text("utf-8")
        )
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", written, flags=re.S)
        left = set(re.findall(r"[A-Za-z]{3,}", text)) - {"TTY"}
        assert not left, f"{path.name}: {left}"


def _member_templates() -> list[Path]:
    folder = ROOT / "service/templates"
    for_people = ("member", "accounts", "registration", "errors")
    found = [path for name in for_people for path in (folder / name).glob("*.html")]
    return [*found, folder / "layout.html", folder / "_session_end.html"]
