"""security.md, Plan staff console and mailbox: 148 (words of strangers) and 149 (their files)."""

import re
from collections.abc import Iterator
from urllib.parse import unquote
from uuid import uuid4

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.mail import OutboxMail
from service.plan.mailbox import attachments, messages
from service.plan.models import (
    MessageAttachment,
    MessageThread,
    SecureMessage,
    StaffRole,
    ThreadTopic,
)
from tests.accounts.factors import code_of
from tests.accounts.visitor import Visitor
from tests.conftest import LiveServer
from tests.factories import (
    PASSWORD,
    make_account,
    make_organization,
    make_plan_staff,
    make_portal_staff,
    make_totp,
)
from tests.plan.files import EICAR, EXE, PDF, picture, word
from tests.plan.mailbox import file_of
from tests.staff.console import make_clerk, make_office, send_files

# --- 148

PAYLOADS = (
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "<svg/onload=window.ran=1>",
    "</textarea><script>window.ran = 1</script>",
    "</title><script>window.ran = 1</script>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "<a href='javascript:window.ran=1' id=bait>click</a>",
    "javascript:window.ran=1",
    "'\"><body onload=window.ran=1 autofocus onfocus=window.ran=1>",
    "<details open ontoggle=window.ran=1>",
    "<style>@import 'http://evil.example/x.css'</style><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:window.ran=1'>",
    "<form action=//evil.example><button>Sign in</button></form>",
    "{{ 7 * 7 }}{% print(7 * 7) %}${window.ran=1}",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src onerror=window.ran=1&gt;'>",
    "\u202e</b>gnp.exe\u2066\u200f\u061c\u2028\u0085\x1b[31m",
    "+ADw-script+AD4-window.ran=1+ADw-/script+AD4-",
    "https://evil.example/please-sign-in",
)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a browser that knows nothing yet."""
    with chromium.new_context() as context:
        yield context.new_page()


@pytest.mark.browser
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_case_148_no_script_runs_in_a_browser(live_server: LiveServer, session: Session, page: Page) -> None:
    settings = live_server.settings
    mean = make_organization(session, name=PAYLOADS[0])
    account = make_account(session, given_name=PAYLOADS[1], family_name=PAYLOADS[4])
    office = make_portal_staff(session, mean, account=account)
    clerk = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    secret = make_totp(session, settings, clerk.account)
    files = attachments.check_all([(f"{payload}.txt", b"words") for payload in PAYLOADS[:5]])
    thread = messages.open_thread(
        session, office, ThreadTopic.ADD_FACILITY, PAYLOADS[2], PAYLOADS[3], files, plan=settings.plan
    )
    for payload in PAYLOADS:
        messages.reply(session, thread, office, payload, plan=settings.plan)
        messages.notice_from_plan(session, office, payload, payload, by_account_id=account.id)
    session.commit()
    foreign: list[str] = []
    page.on("dialog", lambda dialog: (foreign.append("dialog"), dialog.dismiss()))
    page.on(
        "request", lambda asked: None if asked.url.startswith((live_server.url, "data:")) else foreign.append(asked.url)
    )

    def look(path: str) -> None:
        page.goto(f"{live_server.url}{path}")
        assert page.evaluate("window.ran") is None, path
        assert page.locator("main script, main img, main iframe, main svg, main style, #bait").count() == 0, path
        hrefs = page.evaluate("[...document.querySelectorAll('main a')].map(link => link.href)")
        assert all(href.startswith(live_server.url) for href in hrefs), hrefs

    for who, paths in (
        (account, ("/provider/mailbox/", f"/provider/mailbox/{thread.id}")),
        (
            clerk.account,
            ("/staff/mailbox/?queue=all", f"/staff/mailbox/{thread.id}", f"/staff/users/{office.id}",
             f"/staff/users/?q={account.username}"),
        ),
    ):  # fmt: skip
        page.context.clear_cookies()
        page.goto(f"{live_server.url}/sign-in")
        page.fill("#username", who.username)
        page.fill("#password", PASSWORD)
        page.click("main button[type=submit]")
        if who is clerk.account:
            page.fill("#code", code_of(secret))
            page.click("main button[type=submit]")
        for path in paths:
            look(path)
    page.goto(f"{live_server.url}/staff/mailbox/{thread.id}")
    page.fill("#body", PAYLOADS[3])
    page.select_option("#canned", "0")
    page.click("button[name=insert]")
    assert page.input_value("#body").startswith(PAYLOADS[3])
    assert page.evaluate("window.ran") is None

    assert foreign == []


def test_case_148_words_are_kept_as_written_and_shown_escaped(app: Flask, session: Session) -> None:
    office, clerk = make_office(app, session), make_clerk(app, session)
    office.browser.get("/provider/mailbox/new")
    for payload in PAYLOADS:
        sent = office.browser.post("/provider/mailbox/new", topic="question", subject=payload, body=payload)
        assert sent.status_code == 303, payload

    with Session(session.get_bind()) as own:
        kept = own.scalars(select(SecureMessage.body)).all()
        threads = own.scalars(select(MessageThread.id)).all()
    assert sorted(kept) == sorted(PAYLOADS)
    for browser, side in ((office.browser, "provider"), (clerk.browser, "staff")):
        for path in ("", *threads):
            answer = browser.get(f"/{side}/mailbox/{path}")
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'") and "script-src" not in policy
            main = answer.text.split("<main")[1].split("</main>")[0]
            assert not re.search(r"<(script|img|svg|iframe|style|link|meta|math|body)\b", main)
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\x1b\u0085\u2028]", answer.text)


@pytest.mark.parametrize(
    ("body", "status"),
    [("x" * 1_000_000, 413), ("x" * 20_001, 400), ("a\0b", 400), ("line\n" * 4_000, 303), ("\n" * 10_000 + "x", 303)],
)
def test_case_148_a_long_message_is_taken_or_refused_with_words(
    app: Flask, session: Session, body: str, status: int
) -> None:
    office = make_office(app, session)
    office.browser.get("/provider/mailbox/new")

    answer = send_files(office.browser, "/provider/mailbox/new", [], topic="question", subject="Long", body=body)

    assert answer.status_code == status
    if status != 303:
        assert "20,000 characters" in answer.text or "cannot be kept" in answer.text
        return
    thread = session.scalars(select(MessageThread)).one()
    session.commit()
    page = office.browser.get(f"/provider/mailbox/{thread.id}")
    assert page.status_code == 200 and "ls-message__body--long" in page.text


# --- 149


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("invoice.pdf", EXE),
        ("page.html", b"<html><script>alert(1)</script></html>"),
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("logo.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("polyglot.pdf", PDF + b"<script>alert(1)</script>"),
        ("polyglot.jpg", picture("JPEG") + b"<html><script>alert(1)</script>"),
        ("letter.docx", word({"word/vbaProject.bin": b"macro"})),
        ("letter.docm", word(types=b"application/vnd.ms-word.document.macroEnabled.main+xml")),
        ("bomb.docx", word({"word/media/image1.bmp": b"\0" * (70 * 1024 * 1024)})),
        ("bomb.zip", word({"a": b"\0" * (30 * 1024 * 1024)})),
        ("slip.docx", word({"../../x": b"x"})),
        ("large.pdf", PDF + b"\0" * (26 * 1024 * 1024)),
        ("virus.txt", EICAR),
        ("virus.docx", word({"word/media/image1.png": EICAR})),
        ("nul.txt", b"words\0words"),
    ],
)  # fmt: skip
def test_case_149_a_harmful_file_is_refused_with_words(app: Flask, session: Session, name: str, content: bytes) -> None:
    office = make_office(app, session)
    office.browser.get("/provider/mailbox/new")

    answer = send_files(
        office.browser, "/provider/mailbox/new", [(name, content)], topic="question", subject="File", body="Look"
    )  # fmt: skip

    assert answer.status_code == 400
    assert name in answer.text and "Please" in answer.text.split("usa-error-message")[1]
    assert session.scalars(select(SecureMessage)).all() == []
    assert session.scalars(select(OutboxMail)).all() == []


@pytest.mark.parametrize(
    "name", ["../../x", "..\\x.txt", "/etc/passwd", "ü" * 127 + ".txt", "\u202etxt.exe", 'a;b".txt']
)
def test_case_149_a_file_is_served_inert_under_a_cleaned_name(app: Flask, session: Session, name: str) -> None:
    office, clerk = make_office(app, session), make_clerk(app, session)
    office.browser.get("/provider/mailbox/new")
    send_files(
        office.browser, "/provider/mailbox/new", [(name, b"0123456789")], topic="question", subject="F", body="Look"
    )  # fmt: skip
    thread = session.scalars(select(MessageThread)).one()
    file = file_of(session, thread)
    assert not re.search(r'[/\\\x00-\x1f"<>:|?*\u202e]|\.\.', file.name) and len(file.name) <= 130

    for browser, side in ((office.browser, "provider"), (clerk.browser, "staff")):
        answer = browser.browser.get(
            f"/{side}/mailbox/{thread.id}/files/{file.id}",
            headers={"Range": "bytes=2-3", "If-Range": '"x"', "If-None-Match": "*"},
        )
        assert (answer.status_code, answer.data) == (200, b"0123456789")
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
        assert unquote(answer.headers["Content-Disposition"].split("UTF-8''")[1]) == file.name
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Accept-Ranges"] == "none"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.mimetype == "text/plain"


def test_case_149_five_files_of_ten_megabytes_are_taken_and_more_is_not(app: Flask, session: Session) -> None:
    office = make_office(app, session)
    office.browser.get("/provider/mailbox/new")
    most = PDF[:-7] + b"\n" * (10 * 1024 * 1024 - len(PDF)) + b"\n%%EOF\n"

    def send(count: int, content: bytes) -> TestResponse:
        files = [(f"{number}.pdf", content) for number in range(count)]
        return send_files(office.browser, "/provider/mailbox/new", files, topic="question", subject="F", body="B")

    six, too_much, taken = send(6, PDF), send(6, most), send(5, most)

    assert (six.status_code, too_much.status_code, taken.status_code) == (400, 413, 303)
    assert "up to 5 files" in six.text and "5 files of up to 10 MB" in too_much.text
    assert session.scalar(select(func.count()).select_from(MessageAttachment)) == 5


def test_case_149_a_large_body_is_read_only_for_whom_it_is_meant(app: Flask, session: Session) -> None:
    office = make_office(app, session)
    member = Visitor(app)
    account = make_account(session)
    session.commit()
    member.enter(account)
    member.get("/settings")
    stranger = Visitor(app)
    stranger.get("/sign-in")
    office.browser.get("/provider/mailbox/new")

    for browser, path in (
        (stranger, "/provider/mailbox/new"), (member, "/provider/mailbox/new"), (office.browser, "/settings/language"),
        (office.browser, f"/staff/mailbox/{uuid4()}/answer"),
    ):  # fmt: skip
        answer = send_files(browser, path, [("x.txt", b"x" * 200_000)])
        assert answer.status_code == 413, path
