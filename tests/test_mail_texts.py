"""Every mail reads as a letter does, in both languages, and calls what is on the pages by its name there."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.member.test_catalogue import catalogue

MAILS = sorted((ROOT / "service/templates/email").glob("*.txt"))
_NAMED = re.compile(r"«([^»]+)»")
_ENGLISH_PAGES = {"Tax ID & NPI access"}
"""Offices work in English (docs/decisions/0015)."""


def test_every_mail_is_written_in_both_languages() -> None:
    names = [path.name.split(".")[:2] for path in MAILS]

    assert len(names) > 90
    assert {name for name, language in names if language == "en"} == {
        name for name, language in names if language == "es"
    }


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.name)
def test_every_sentence_begins_with_a_capital(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()

    begun_small = [line for line in lines if line[:1].islower()]

    assert lines[0].startswith("Subject: ") and begun_small == []


@pytest.mark.parametrize("path", [path for path in MAILS if ".es." in path.name], ids=lambda path: path.name)
def test_a_spanish_mail_calls_buttons_and_fields_as_its_pages_do(path: Path) -> None:
    text = path.read_text("utf-8")
    spanish = {str(message.string) for message in catalogue() if message.id}

    assert '"' not in re.sub(r"{[{%].*?[}%]}", "", text), "Spanish quotes with « »"
    assert set(_NAMED.findall(text)) <= spanish | _ENGLISH_PAGES
    english = path.with_name(path.name.replace(".es.", ".en.")).read_text("utf-8")
    assert ("Olvidé mi contraseña" in text) is ("Forgot password" in english)
