"""Papers that prove a right to act under attack (security.md, cases 121, 148 and 149): inert or refused."""

from io import BytesIO

from flask import Flask
from PIL import ExifTags, Image
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.representative_requests import note
from consent.request_models import RepresentativeEvidence, RepresentativeRequest, RequestStep
from service.accounts.models import Account
from service.audit import AuditEvent
from tests.accounts.visitor import Visitor
from tests.plan.files import EICAR, EXE, PDF, SECRET, blank, picture, tagged, word
from tests.staff.console import send_files
from tests.staff.representing import NEW, Asking

_HTML = b"<!doctype html><script>alert(1)</script>"
REFUSED = {
    "an executable as PDF": ("order.pdf", EXE),
    "HTML as PDF": ("order.pdf", _HTML),
    "HTML in a PDF": ("order.pdf", PDF.replace(b"1 0 obj", _HTML + b"1 0 obj")),
    "a PDF with a program": ("order.pdf", PDF.replace(b"<<>>", b"<</OpenAction<</S/JavaScript>>>>", 1)),
    "a picture that is a ZIP too": ("scan.png", picture("PNG") + b"PK\x05\x06" + b"\0" * 18),
    "a test virus": ("scan.pdf", EICAR),
    "SVG": ("scan.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    "a Word file, which holds no signature": ("letter.docx", word()),
    "plain text": ("letter.txt", b"I may act for her."),
    "nothing": ("empty.pdf", b""),
    "a broken picture": ("scan.png", picture("PNG")[:60]),
    "11 MB": ("scan.pdf", PDF + b" " * (11 * 1024 * 1024)),
}


def test_case_121_and_149_what_is_no_signed_paper_is_refused_with_words(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    for what, file in REFUSED.items():
        answer = asking.send(files=[file])
        assert answer.status_code == 400 and file[0] in answer.text and "Please" in answer.text, what
    many = asking.send(files=[("a.pdf", PDF)] * 6)
    assert many.status_code == 400 and "too many files" in many.text
    with Session(session.get_bind()) as own:
        assert own.scalar(select(func.count()).select_from(RepresentativeRequest)) == 0
        assert own.scalar(select(func.count()).select_from(RepresentativeEvidence)) == 0


def test_case_121_and_149_what_is_taken_is_a_download_and_nothing_else(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    names = ("../../etc/passwd.exe", "a\u202egnp.exe", "n" * 255 + ".png", "Erklärung 中.tif")
    files = [(names[0], PDF), (names[1], picture("PNG")), (names[2], picture("PNG")), (names[3], picture("TIFF"))]
    assert asking.send(files=files).status_code == 303
    request_id, clerk = asking.request().id, asking.clerk()
    with Session(session.get_bind()) as own:
        kept = own.scalars(select(RepresentativeEvidence).order_by(RepresentativeEvidence.name)).all()
    endings = {"application/pdf": ".pdf", "image/png": ".png", "image/tiff": ".tif"}
    for file in kept:
        assert "/" not in file.name and "\u202e" not in file.name and len(file.name.encode()) <= 250
        assert file.name.endswith(endings[file.media_type])
        for reader, base in ((asking.browser, "/people/requests"), (clerk.browser, "/staff/representatives")):
            answer = reader.get(f"{base}/{request_id}/files/{file.id}")
            assert answer.headers["Content-Disposition"].startswith("attachment;")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            ranged = reader.browser.get(f"{base}/{request_id}/files/{file.id}", headers={"Range": "bytes=0-3"})
            assert ranged.status_code == 200 and ranged.headers["Accept-Ranges"] == "none"
    with Session(session.get_bind()) as own:
        downloads = own.scalars(select(AuditEvent).where(AuditEvent.tag.endswith("evidence:download"))).all()
    assert len(downloads) == 4 * len(kept)
    assert {one.account_id for one in downloads} == {asking.account.id, clerk.account.id}


def test_case_121_a_picture_is_drawn_anew_and_keeps_nothing_but_its_pixels(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    sent = [("scan.png", tagged("PNG")), ("photo.jpg", tagged("JPEG")), ("pages.tif", tagged("TIFF", pages=2))]
    for _, content in sent:
        assert SECRET in content
    assert asking.send(files=[*sent, ("order.pdf", PDF)]).status_code == 303
    with Session(session.get_bind()) as own:
        kept = {one.name: one.content for one in own.scalars(select(RepresentativeEvidence))}
    assert kept.pop("order.pdf") == PDF
    for name, content in kept.items():
        assert SECRET not in content, name
        with Image.open(BytesIO(content)) as picture:
            # The photograph lay on its side, as its file said.
            assert picture.size == ((30, 40) if name == "photo.jpg" else (40, 30)), name
            assert not picture.getexif().get_ifd(ExifTags.IFD.GPSInfo) and not picture.info.get("comment"), name
            assert getattr(picture, "n_frames", 1) == (2 if name == "pages.tif" else 1), name
            assert picture.convert("RGB").getpixel((5, 5))[2] > 100, name


def test_case_121_a_picture_that_cannot_be_read_to_its_end_is_refused(app: Flask, session: Session) -> None:
    asking, whole = Asking.begin(app, session), picture("JPEG")
    for name, content in (("cut.jpg", whole[: len(whole) // 2]), ("huge.png", blank(9_000, 8_000))):
        answer = asking.send(files=[(name, content)])
        assert answer.status_code == 400 and "could not read this picture" in answer.text, name


def test_case_149_a_body_beyond_five_files_is_not_read_and_a_strangers_never(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    whole = asking.send(files=[("a.pdf", PDF + b" " * (26 * 1024 * 1024))] * 2)
    assert whole.status_code == 413 and "Your files were too large" in whole.text
    stranger = Visitor(app)
    stranger.get("/sign-in")
    answer = send_files(stranger, NEW, [("a.pdf", PDF + b" " * 100_000)])
    assert answer.status_code in {303, 401, 413}
    with Session(session.get_bind()) as own:
        assert own.scalar(select(func.count()).select_from(RepresentativeRequest)) == 0


def test_case_149_a_file_of_another_request_is_not_there(app: Flask, session: Session) -> None:
    first, second = Asking.begin(app, session), Asking.begin(app, session)
    first.send()
    first_id = first.request().id
    second.send()
    second_id = second.request().id
    with Session(session.get_bind()) as own:
        mine = select(RepresentativeEvidence.id).where(RepresentativeEvidence.request_id == first_id)
        file_id = own.scalars(mine).one()
    assert second.browser.get(f"/people/requests/{second_id}/files/{file_id}").status_code == 404
    clerk = second.clerk()
    assert clerk.browser.get(f"/staff/representatives/{second_id}/files/{file_id}").status_code == 404


def test_case_148_words_of_strangers_stay_words(app: Flask, session: Session) -> None:
    evil = "<script>alert(1)</script>\u202egnp.exe {{7*7}}"
    asking = Asking.begin(app, session)
    asking.name_somebody(given_name=evil, explanation=evil)
    request_id, clerk = asking.request().id, asking.clerk()
    for reader, path in (
        (asking.browser, f"/people/requests/{request_id}"), (clerk.browser, f"/staff/representatives/{request_id}"),
        (clerk.browser, "/staff/representatives/"),
    ):  # fmt: skip
        page = reader.get(path)
        assert "<script>alert" not in page.text and "\u202e" not in page.text
        assert "7*7" in page.text, path
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_case_145_a_link_takes_two_people_who_are_not_in_it(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    asking.send()
    first, second = asking.clerk(), asking.clerk()
    assert asking.propose(first).status_code == 303
    act = asking.act()
    [change] = act.content["changes"]
    assert "Amos Canary" in change["what"] and asking.account.family_name in change["after"]
    own = asking.approve(first)
    assert own.status_code == 409 and "a colleague must look" in own.text
    changed = asking.press(second, "checks", **{"check-identity": "yes"})
    assert changed.status_code == 303
    stale = asking.approve(second)
    assert stale.status_code == 409 and "has changed since" in stale.text
    assert second.browser.post(f"/staff/second-looks/{act.id}/refuse", reason="Look again").status_code == 303
    asking.link()
    assert asking.approve(second).status_code == 409, "once"


def test_case_143_nobody_decides_about_themselves(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    asking.send()
    clerk, request_id = asking.clerk(), asking.request().id
    clerk_id = clerk.account.id
    session.rollback()
    with Session(session.get_bind()) as own:
        asked = own.get_one(RepresentativeRequest, request_id)
        asked.account_id = clerk_id
        note(own, asked, RequestStep.ASKED, "What was seen here", by_account_id=None, from_plan=True)
        (paper,) = own.scalars(select(RepresentativeEvidence.id))
        own.commit()
    assert clerk.browser.get(f"/staff/representatives/{request_id}/files/{paper}").status_code == 409
    page = clerk.browser.get(f"/staff/representatives/{request_id}")
    assert "This is about yourself" in page.text and "What was seen here" not in page.text
    forms = {
        "checks": {"check-identity": "yes"}, "ask": {"question": "?"}, "match": {"member_number": "x"},
        "refuse": {"reason": "evidence", "words": "x"},
    }  # fmt: skip
    for step, form in forms.items():
        assert asking.press(clerk, step, **form).status_code == 409, step
    with Session(session.get_bind()) as own:
        own.get_one(Account, clerk_id).member_id = asking.member.id
        own.get_one(RepresentativeRequest, request_id).account_id = asking.account.id
        own.commit()
    assert asking.press(clerk, "checks", **{"check-identity": "yes"}).status_code == 409, "the member is the clerk"
