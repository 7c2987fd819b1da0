"""security.md, case 153: what people and apps write is never a template, whichever language of templates it speaks."""

import ast
import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import meta

from service import mail
from service.accounts.models import Account
from service.clock import now
from service.mail import OutboxMail
from service.plan.models import Member
from service.settings import Settings
from tests.conftest import ROOT
from tests.member.pages import Reader
from tests.oauth.desk import Desk

LITERALS = [
    "{{7*71}}",
    "{% print 7*71 %}",
    "${7*71}",
    "#{7*71}",
    "<%= 7*71 %>",
    "%s%n%d",
    "%(name)s",
    "{0.__class__}",
    "{#x#}",
]
_ALL = " ".join(LITERALS)
_TEMPLATES = sorted(path.name for path in (ROOT / "service" / "templates" / "email").glob("*.txt"))


@pytest.mark.parametrize("language", ["en", "es"])
def test_case_153_names_on_pages_are_literal(desk: Desk, language: str) -> None:
    app = desk.register(name=f"Diary {_ALL}")
    with desk.session() as session:
        member = session.get_one(Member, desk.member.id)
        member.given_name, member.family_name = _ALL[:90], "Lee %s {{7*71}}"
        account = session.get_one(Account, desk.account.id)
        account.given_name, account.family_name = member.given_name, member.family_name
        account.language = language
    reader = Reader(desk, desk.account)

    shown = [reader.ask(app), reader.get("/member"), reader.get("/settings")]
    assert f"Diary {_ALL}" in _text(shown[0].text)
    reader.allow(shown[0])
    shown.append(reader.get("/apps"))
    assert f"Diary {_ALL}" in _text(shown[-1].text)
    assert any(_ALL[:90] in _text(page.text) for page in shown)
    for page in shown:
        assert page.status_code == 200 and not re.search(r"\b497\b", _text(page.text)), page.request.path


@pytest.mark.parametrize("literal", LITERALS)
def test_case_153_what_an_app_sends_comes_back_as_it_came(desk: Desk, literal: str) -> None:
    app, browser = desk.register(), desk.app.test_client()
    refused = desk.authorize(browser, app, scope=literal, state=literal)
    told = parse_qs(urlsplit(refused.location).query)
    assert told["error"] == ["invalid_scope"] and told["state"] == [literal]
    for page in (
        desk.authorize(browser, app, client_id=literal),
        desk.authorize(browser, app, redirect_uri=f"https://app.example.org/{literal}"),
        browser.get("/no-such-page", query_string={"q": literal}),
        browser.post("/oauth/token", data={"grant_type": literal, "client_id": literal, "code": literal}),
        browser.get(f"/fhir/r4/Patient/{literal}", headers={"Authorization": f"Bearer {literal}"}),
    ):
        assert 400 <= page.status_code < 500 and not re.search(r"\b497\b", _text(page.text)), page.text


def test_case_153_mails_are_literal(settings: Settings) -> None:
    for template in _TEMPLATES:
        source = (ROOT / "service" / "templates" / "email" / template).read_text()
        name, language, _ = template.split(".")
        sealed = set(re.findall(r"unsealed\((\w+)\)", source))
        needed = meta.find_undeclared_variables(mail._environment().parse(source)) - {"plan", "base_url", "unsealed"}
        letter = OutboxMail(
            recipient="ann@example.org", template=name, language=language, message_id="1", created_at=now(),
            context={one: mail.seal(settings.secret_key, _ALL) if one in sealed else _ALL for one in needed},
        )  # fmt: skip
        text = mail.compose(letter, settings, settings.plan).get_content()
        assert not re.search(r"\b497\b", text), template
        assert _ALL in text or not _printed(source, needed), template


def test_case_153_no_template_is_built_from_data() -> None:
    # The one template made of a text is the first line of a file of ours (service/mail.py).
    built = {"render_template_string", "from_string", "Template", "compile_expression"}
    found = [
        f"{path.relative_to(ROOT)}:{call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id}"
        for folder in ("service", "oauth", "fhir", "consent")
        for path in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute | ast.Name)
        and (call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id) in built
    ]
    assert found == ["service/mail.py:from_string"]


def _text(page: str) -> str:
    """What a person reads of a page: runs of space as one."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def _printed(source: str, names: set[str]) -> bool:
    """Whether a template prints one of these as it is, whatever the rest says."""
    return any(re.search(rf"\{{\{{\s*{name}\s*\}}\}}", source.partition("{%")[0]) for name in names)
