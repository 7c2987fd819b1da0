"""The notice of language assistance: in each language that the plan gives, on a page that every other one leads to."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from service.app import create_app
from service.plan_file import SANDBOX_PLAN, LanguageNotice, Plan
from service.settings import Settings
from tests.member.pages import Reader
from tests.oauth.desk import Desk

PAGE = "/help/language-assistance"
LINK = f'href="{PAGE}"'


def test_each_notice_stands_in_its_language_with_its_number(app: Flask, settings: Settings) -> None:
    page = unescape(app.test_client().get(PAGE).text)

    plan = settings.plan
    assert {"en", "es"} <= {one.language for one in plan.language_assistance}
    for one in plan.language_assistance:
        block = re.search(rf'<section[^>]* id="in-{one.language}" lang="{one.language}" dir="(...)">(.*?)</section>',
                          page, re.S)  # fmt: skip
        assert block and block[1] == one.direction and one.text in block[2], one.language
        assert f'href="tel:{one.phone}"' in block[2] and plan.tty in block[2]
        assert f'href="#in-{one.language}" lang="{one.language}"' in page
    assert 'id="in-ar" lang="ar" dir="rtl"' in page and "<h2>Tiếng Việt</h2>" in page and "<h2>Tagalog</h2>" in page
    spanish = app.test_client().get(f"{PAGE}?lang=es").text
    assert "<h1>Asistencia lingüística</h1>" in spanish and "If you speak English" in spanish


@pytest.mark.parametrize(
    "path", ["/", "/help", "/help/your-data", "/sign-in", "/register", "/gallery", "/no-such-page", "/developers/",
             "/provider/"],
)  # fmt: skip
def test_every_public_page_leads_there(app: Flask, path: str) -> None:
    footer = app.test_client().get(path).text.partition("<footer")[2]
    assert LINK in footer


def test_every_page_of_a_member_leads_there(desk: Desk) -> None:
    rosa = Reader(desk, desk.account)
    consent = rosa.ask(desk.register()).text
    for page in (consent, *(rosa.get(path).text for path in ("/member", "/apps", "/messages", "/my-information"))):
        assert LINK in page.partition("<footer")[2]


def test_the_start_page_names_the_languages_in_themselves(app: Flask) -> None:
    page = app.test_client().get("/").text.partition("<main")[2].partition("</main>")[0]
    assert f'href="{PAGE}#in-vi" lang="vi" hreflang="vi" dir="ltr">Tiếng Việt</a>' in page


def test_a_plan_without_notices_has_neither_page_nor_link(settings: Settings, engine: Engine) -> None:
    browser = create_app(replace(settings, plan=replace(settings.plan, language_assistance=())), engine).test_client()

    assert browser.get(PAGE).status_code == 404
    for path in ("/", "/provider/", "/developers/"):
        assert LINK not in browser.get(path).text and "Language assistance" not in browser.get(path).text


def _read(tmp_path: Path, *tables: str) -> tuple[LanguageNotice, ...]:
    plain = SANDBOX_PLAN.read_text(encoding="utf-8").partition("[[language_assistance]]")[0]
    plain = re.sub(r"\[\[terms\]\][^[]*", "", plain)
    written = tmp_path / "plan.toml"
    written.write_text("\n".join([plain, *(f"[[language_assistance]]\n{one}" for one in tables)]), encoding="utf-8")
    return Plan.read(written).language_assistance


def test_a_plan_writes_its_own_also_in_languages_that_are_not_known_here(tmp_path: Path) -> None:
    rest = 'text = """\nOne\n  two. """\nphone = "1-555-010-0001"'
    hmong, chinese, rohingya = _read(
        tmp_path, f'language = "hmn"\nname = "hmoob"\n{rest}', f'language = "zh-Hant"\n{rest}',
        f'language = "rhg-Arab"\nname = "Ruáingga"\n{rest}',
    )  # fmt: skip
    assert hmong == LanguageNotice("hmn", "Hmoob", "ltr", "One two.", "1-555-010-0001")
    assert (chinese.name, chinese.spoken) == ("中文 (繁體)", "zh") and rohingya.direction == "rtl"
    (sorani,) = _read(tmp_path, f'language = "ku-Arab"\nname = "کوردی"\n{rest}')
    assert sorani.direction == "rtl", "Babel knows the language in another script"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('language = "in Spanish"\ntext = "x"\nphone = "1"', "'in Spanish'.*no language tag such as es"),
        ('language = "hmn"\ntext = "x"\nphone = "1"', "hmn needs a name"),
        ('language = "es"\ntext = " "\nphone = "1"', "es needs a text and a phone number"),
        ('language = "es"\nphone = "1"', "es lacks text"),
        ('text = "x"\nphone = "1"', "of no language lacks language"),
        ('language = "es"\ntext = "x"\nphone = "1"\nfone = "2"', "es has fone, which nothing reads"),
        ('language = "es"\ntext = "x"\nphone = "1"\n[[language_assistance]]\nlanguage = "ES"\ntext = "y"\nphone = "1"',
         "twice for es"),
        ('language = "es"\ntext = "x"\nphone = "1"\n[[language_assistance]]\nlanguage = "es"\ntext = "y"\nphone = "1"',
         "twice for es"),
    ],
)  # fmt: skip
def test_a_notice_that_cannot_be_is_told(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        _read(tmp_path, table)
