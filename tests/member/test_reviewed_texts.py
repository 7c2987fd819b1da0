"""Texts on which rights depend are shown in Spanish only as a translator reviewed them; else in English, and said."""

import ast
import hashlib
import re
from dataclasses import replace
from io import BytesIO

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask, request
from werkzeug.routing import Rule

from consent import legal_texts
from consent.legal_texts import LegalText
from consent.models import ConsentDecision
from service.app import create_app
from service.member import reviewed_texts
from service.plan_file import Plan
from tests.conftest import ROOT
from tests.member.console import connected
from tests.member.pages import Reader
from tests.oauth.desk import Desk

_NOTICE = "Esta página se muestra en inglés"
_FILES: dict[LegalText, tuple[str, ...]] = {
    LegalText.CONSENT: (
        "service/member/consent/consent_words.py", "consent/data_types.py", "oauth/apps/attestation_words.py",
        "service/templates/member/consent.html", "service/templates/member/consent_beyond_right.html",
        "service/templates/member/_part_boxes.html", "service/templates/member/app_narrow.html",
        "service/templates/member/of_age.html",
    ),
    LegalText.RECEIPT: ("service/templates/member/decision.html", "service/member/consent/receipt_words.py"),
    LegalText.EDUCATION: ("service/templates/member/education.html",),
    LegalText.REPRESENTATION: (
        "service/templates/member/representative_request_new.html",
        "service/member/representatives/representative_form.py",
        "service/member/representatives/representative_words.py",
    ),
}  # fmt: skip
_FINGERPRINTS: dict[LegalText, tuple[str, str]] = {
    LegalText.CONSENT: ("2026-11", "e64032bfee1dc337"),
    LegalText.RECEIPT: ("2026-4", "317240cddcb2248a"),
    LegalText.EDUCATION: ("2026-2", "6706b6f62b53fc2e"),
    LegalText.REPRESENTATION: ("2026-4", "13bfa2abb3236b0c"),
}
"""The version of each text, and the digest of its sentences in both languages as they were reviewed."""


def fingerprint(text: LegalText) -> str:
    """A digest of every sentence of a text and of its translation."""
    words = read_po(BytesIO((ROOT / "service/translations/es/LC_MESSAGES/messages.po").read_bytes()), locale="es")
    spanish = {str(message.id): str(message.string) for message in words if message.id}
    sentences = set()
    for package in ("service", "oauth", "consent"):
        found = extract_from_dir(
            str(ROOT / package), method_map=[("**.py", "python"), ("**/templates/**.html", "jinja2"),
                                             ("templates/**.html", "jinja2")],
            options_map={}, keywords={"_": None, "N_": None, "gettext": None, "lazy_gettext": None},
        )  # fmt: skip
        sentences |= {str(one[2]) for one in found if f"{package}/{one[0]}" in _FILES[text]}
    told = "\0".join(f"{sentence}\0{spanish.get(sentence, '')}" for sentence in sorted(sentences))
    assert sentences
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def showing(text: LegalText) -> set[str]:
    """The endpoints (a whole blueprint by `name.*`) that render a template of a text, or one that imports from such."""
    own = {name.removeprefix("service/templates/") for name in _FILES[text] if name.endswith(".html")}
    templates = ROOT / "service/templates"
    names = {str(path.relative_to(templates)) for path in (templates / "member").glob("*.html")}
    pages = {name for name in names if name in own or any(f'"{one}"' in (templates / name).read_text() for one in own)}
    found = set()
    for path in (ROOT / "service/member").rglob("*.py"):
        source = path.read_text()
        blueprint = re.search(r'^blueprint = Blueprint\("(\w+)"', source, re.MULTILINE)
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef) and _strings_of(function) & pages:
                assert blueprint, "a page stands in a blueprint"
                found.add(f"{blueprint[1]}.{'*' if function.name.startswith('_') else function.name}")
    return found


def _strings_of(function: ast.FunctionDef) -> set[object]:
    return {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}


def without(app: Flask, *texts: LegalText) -> Flask:
    """The same plan, whose translation of those texts was reviewed in an older version only."""
    settings = app.extensions["latchstring"].settings
    reviews = tuple(replace(one, version="1999-1") if one.text in texts else one for one in settings.plan.reviews)
    changed = replace(settings, plan=replace(settings.plan, reviews=reviews))
    return create_app(changed, app.extensions["latchstring"].engine)


@pytest.mark.parametrize("text", LegalText)
def test_a_text_that_changed_has_another_version(text: LegalText) -> None:
    """If this fails: raise the text's version, name its review in meridian.toml, and write both here."""
    assert (legal_texts.VERSIONS[text], fingerprint(text)) == _FINGERPRINTS[text]


@pytest.mark.parametrize("text", LegalText)
def test_every_page_with_words_of_a_reviewed_text_is_listed_with_it(app: Flask, text: LegalText) -> None:
    """If this fails: name the page in `service.member.reviewed_texts`, or it is shown in words that nobody reviewed."""
    pages = showing(text)

    assert pages
    for page in pages:
        with app.test_request_context():
            request.url_rule = Rule("/", endpoint=page)
            assert reviewed_texts.text_at_hand() is text, page


def test_every_text_of_the_sandboxs_plan_names_its_reviewer() -> None:
    plan = Plan.read(None)

    found = {text: legal_texts.review_of(plan, text, "es") for text in LegalText}

    assert all(review and review.reviewed_by and review.reviewed_on for review in found.values())
    assert {one.text for one in plan.reviews} == set(LegalText)


def test_a_reviewed_text_is_shown_in_spanish_without_a_notice(app: Flask) -> None:
    page = app.test_client().get("/help/your-data?lang=es").text

    assert '<html lang="es"' in page and _NOTICE not in page


def test_an_unreviewed_text_is_shown_in_english_with_a_notice_in_spanish(app: Flask) -> None:
    browser = without(app, LegalText.EDUCATION).test_client()

    page = browser.get("/help/your-data?lang=es").text

    assert '<html lang="en"' in page and "What to look for in an app" in page
    assert f'lang="es"><div class="usa-alert__body"><p class="usa-alert__text">{_NOTICE}' in page
    assert '<html lang="es"' in browser.get("/help").text, "other pages stay in Spanish"
    assert _NOTICE not in browser.get("/help/your-data?lang=en").text


def test_consent_in_unreviewed_words_is_asked_and_kept_in_english(app: Flask, desk: Desk) -> None:
    other = Desk.__new__(Desk)
    other.__dict__ |= desk.__dict__ | {"app": without(app, LegalText.CONSENT)}
    rosa = Reader(other, desk.account)
    rosa.get("/?lang=es")
    app_of_hers = other.register()

    page = rosa.ask(app_of_hers)
    answer = rosa.allow(page)

    assert '<html lang="en"' in page.text and _NOTICE in page.text
    assert answer.status_code == 303
    with desk.session() as session:
        assert session.query(ConsentDecision).one().language == "en"


def test_share_less_in_unreviewed_words_is_shown_in_english_with_the_notice(app: Flask, desk: Desk) -> None:
    other = Desk.__new__(Desk)
    other.__dict__ |= desk.__dict__ | {"app": without(app, LegalText.CONSENT)}
    rosa = Reader(other, desk.account)
    held = connected(other, rosa)

    page = rosa.get(f"/apps/{held.grant.id}/narrow?lang=es").text

    assert '<html lang="en"' in page and "Uncheck what it should no longer see" in page
    assert _NOTICE in page
