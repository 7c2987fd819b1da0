"""What an app has read, told from the audit stream by day and type, and all of it to download."""

import csv
import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from io import StringIO
from zoneinfo import ZoneInfo

from sqlalchemy import select

from consent import activity, grant_changes
from consent.models import Grant
from oauth.models import Client
from service.audit import AuditEvent, Outcome
from tests.conftest import MovableClock
from tests.factories import make_account
from tests.member.console import Connected, connected
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk

NEW_YORK = ZoneInfo("America/New_York")


def test_days_are_told_in_plain_words_and_counts(desk: Desk) -> None:
    app = connected(desk)
    app.used("ExplanationOfBenefit", 14, detail={"included": {"Practitioner": 2}})
    app.used("ExplanationOfBenefit", 1)
    app.used("Observation", 0)
    app.used("Observation", 3, outcome=Outcome.REFUSED)

    page = app.reader.get(f"/apps/{app.grant.id}/activity").text

    assert "Claims and costs: 13 records, asked 2 times" in page
    assert "Doctors, pharmacies and other providers: 2 records, with something else" in page
    assert "Test results and measurements: 0 records, asked once" in page
    assert "Refused once: that was not shared." in page
    assert "Not yet" not in page and "Connected (<" in page


def test_what_the_api_really_sent_is_what_is_told(desk: Desk) -> None:
    app = connected(desk)
    assert app.api.get("Coverage").status_code == 200
    assert app.api.get("Observation/nobody").status_code == 404

    page = app.reader.get(f"/apps/{app.grant.id}/activity").text

    assert "Insurance coverage: 0 records, asked once" in page and "Refused once" in page


def test_an_app_that_never_came_says_so(desk: Desk) -> None:
    app = connected(desk)
    page = app.reader.get(f"/apps/{app.grant.id}/activity").text
    assert "The app has not read anything." in page and "Not yet" in page and "Earlier days" not in page


def test_a_day_is_one_of_the_plans_zone(desk: Desk) -> None:
    app = connected(desk)
    # 3 o'clock in the morning of UTC is the evening before in New York.
    late, early = datetime(2026, 3, 5, 3, tzinfo=UTC), datetime(2026, 3, 5, 12, tzinfo=UTC)
    with desk.session() as session:
        for at in (late, early):
            session.add(
                AuditEvent(
                    at=at, tag="fhir:Coverage:search", outcome=Outcome.SUCCESS, grant_id=app.grant.id,
                    resource_type="Coverage", count=2,
                )
            )  # fmt: skip
    with desk.session() as session:
        told = activity.of_grant(session, app.grant.id, NEW_YORK)
    assert [(day.day, day.records["coverage"]) for day in told.days] == [(date(2026, 3, 5), 2), (date(2026, 3, 4), 2)]
    assert told.last_used == early


def test_earlier_days_are_on_further_pages(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    for _ in range(4):
        app.used("Coverage", 1)
        clock.advance(timedelta(days=25).total_seconds())
    rosa, seen, page = Reader(desk, desk.account), [], f"/apps/{app.grant.id}/activity"
    while page:
        text = rosa.get(page).text
        seen.append(text.count('class="ls-day"'))
        more = re.search(r'activity\?before=([0-9-]{10})">Earlier days', text)
        page = f"/apps/{app.grant.id}/activity?before={more[1]}" if more else ""
    assert seen == [2, 2] and "The latest days" in text
    for odd in ("2026-13-01", "yesterday", "0001-01-01", "9999-12-31", "x" * 3_000):
        assert rosa.get(f"/apps/{app.grant.id}/activity?before={odd}").status_code == 200
    assert "before that day" in rosa.get(f"/apps/{app.grant.id}/activity?before=2001-01-01").text


def test_all_of_it_is_downloaded_as_table_and_for_programs(desk: Desk) -> None:
    rosa = Reader(desk, desk.account)
    used, paused, ended = (connected(desk, rosa) for _ in range(3))
    used.used("ExplanationOfBenefit", 5)
    used.used("Coverage", 1)
    paused.press("pause")
    ended.press("revoke")
    with desk.session() as session:
        session.get_one(Client, used.app.id).name = "=HYPERLINK(0)"

    table, told = rosa.take("/apps/export.csv"), rosa.take("/apps/export.json")

    rows = list(csv.DictReader(StringIO(table.data.decode("utf-8-sig"))))
    assert table.mimetype == "text/csv" and 'filename="apps-' in table.headers["Content-Disposition"]
    mine = [row for row in rows if row["Status"] == "Shared"]
    assert [(row["App"], row["Types of information"], row["Records"], row["Requests"]) for row in mine] == [
        ("'=HYPERLINK(0)", "Claims and costs", "5", "1"), ("'=HYPERLINK(0)", "Insurance coverage", "1", "1"),
    ]  # fmt: skip
    assert [(row["Status"], row["Ended by"], row["Records"]) for row in rows if row not in mine] == [
        ("Paused", "", "0"), ("Ended", "by you", "0"),
    ]  # fmt: skip
    apps = {one["client_id"]: one for one in told.get_json()["apps"]}
    assert apps[used.app.id]["days"][0]["read"] == [
        {"type": "claims", "name": "Claims and costs", "records": 5, "requests": 1},
        {"type": "coverage", "name": "Insurance coverage", "records": 1, "requests": 1},
    ]
    assert apps[ended.app.id]["status"] == "Ended" and apps[paused.app.id]["status"] == "Paused"
    single = rosa.get(f"/apps/{used.grant.id}/activity.json").get_json()["apps"]
    assert [one["client_id"] for one in single] == [used.app.id]
    with desk.session() as session:
        rows_of_audit = session.scalars(select(AuditEvent).where(AuditEvent.tag == "member:apps:export")).all()
    assert [(row.count, (row.detail or {})["form"]) for row in rows_of_audit] == [(3, "csv"), (3, "json"), (1, "json")]


def test_the_copies_tell_what_the_page_tells(desk: Desk) -> None:
    rosa, app = Reader(desk, desk.account), desk.register(name="Pill Diary")
    rosa.allow(rosa.ask(app), sensitive=["hiv", "genetic"])
    held = Connected(desk, rosa, app, {})
    held.used("Coverage", 2)
    held.used("Observation", 0, outcome=Outcome.REFUSED)
    held.used("Observation", 0, outcome=Outcome.REFUSED)
    held.press("pause")
    held.press("resume")
    held.narrow(data=["claims", "coverage"], sensitive=["hiv"], offline=[])
    never = connected(desk, rosa)
    never.used("Coverage", 0, outcome=Outcome.REFUSED)
    left = ["Claims and costs", "Insurance coverage", "HIV", "Only when you open the app"]

    page = unescape(rosa.get(f"/apps/{held.grant.id}/activity").text)
    rows = list(csv.DictReader(StringIO(rosa.take("/apps/export.csv").data.decode("utf-8-sig"))))
    apps = {one["client_id"]: one for one in rosa.take("/apps/export.json").get_json()["apps"]}

    story = page.partition("<h2>The connection</h2>")[2]
    for told in ("Changed to share less (", "Still shared:", *(f"<li>{one}</li>" for one in left)):
        assert told in story, told
    assert "Genetic information" not in story and "<li>Medicines</li>" not in story
    mine = [row for row in rows if row["App"] == "Pill Diary"]
    columns = ("Types of information", "Records", "Requests", "Refused requests")
    assert [[row[name] for name in columns] for row in mine] == [
        ["Insurance coverage", "2", "1", "0"], ["", "0", "0", "2"],
    ]  # fmt: skip
    for row in mine:
        assert (row["What was shared"], row["Very personal topics"]) == ("Claims and costs; Insurance coverage", "HIV")
        assert row["Privacy policy"] == apps[app.id]["attestation"] != ""
        assert row["Last used"] == apps[app.id]["last_used"] != ""
        assert re.findall(r"(Paused|Resumed|Changed to share less) \(You\)", row["What happened since"]) == [
            "Paused", "Resumed", "Changed to share less",
        ]  # fmt: skip
        assert all(one in row["What happened since"] for one in left)
    assert [row["Refused requests"] for row in rows if row["App"] == never.app.view.name] == ["1"]
    paused, resumed, narrowed = apps[app.id]["changes"]
    assert (paused["what"], resumed["what"], "left" in paused) == ("Paused", "Resumed", False)
    assert (narrowed["what"], narrowed["by"]) == ("Changed to share less", "You")
    grant = held.grant
    assert narrowed["left"] == {
        "types": left[:2], "scopes": grant.scopes, "sensitive_classes": ["hiv"], "while_away": False,
        "shared_until": grant.expires_at.astimezone(NEW_YORK).isoformat(timespec="seconds"),
    }  # fmt: skip
    assert apps[never.app.id]["changes"] == []


def test_every_later_yes_is_in_the_story_of_its_connection(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)

    def agree() -> None:
        clock.advance(20)
        app.tokens = desk.connect(app.app)
        clock.advance(20)

    agree()
    app.press("pause")
    agree()
    former = app.grant.id
    app.press("revoke")
    agree()
    agree()
    standing = app.grant.id
    with desk.session() as session:
        grant = session.get_one(Grant, standing)
        assert [one.at for one in grant_changes.of_grant(session, grant)] == [grant.decision.at]

    page = app.reader.get(f"/apps/{former}/activity").text
    rows = list(csv.DictReader(StringIO(app.reader.take("/apps/export.csv").data.decode("utf-8-sig"))))
    told = {one["grant"]: one for one in app.reader.take("/apps/export.json").get_json()["apps"]}

    assert page.partition("<h2>The connection</h2>")[2].count("Agreed to again (") == 2
    assert [(one["what"], one["by"]) for one in told[former]["changes"]] == [
        (what, "You") for what in ("Agreed to again", "Paused", "Agreed to again", "Resumed")
    ]
    # The third yes gave a connection of its own.
    assert [one["what"] for one in told[standing]["changes"]] == ["Agreed to again"]
    by_status = {row["Status"]: row["What happened since"] for row in rows}
    assert {status: said.count("Agreed to again") for status, said in by_status.items()} == {"Shared": 1, "Ended": 2}
    receipt = app.reader.get(f"{app.receipt}/receipt.json").get_json()
    assert [one["what"] for one in receipt["afterwards"]] == ["Connected", "Agreed to again"]


def test_a_representative_downloads_only_what_they_gave(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)
    hers, own = connected(desk, Reader(desk, dana)), connected(desk)
    own.used("Coverage", 1)

    told = hers.reader.take("/apps/export.json").get_json()

    assert [one["client_id"] for one in told["apps"]] == [hers.app.id]
    assert own.app.id not in hers.reader.take("/apps/export.csv").text
    both = own.reader.take("/apps/export.json").get_json()
    assert {one["client_id"] for one in both["apps"]} == {hers.app.id, own.app.id}


def test_the_pages_want_a_fresh_password(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    clock.advance(301)
    for path in ("activity", "activity.csv", "activity.json", "narrow"):
        assert "/confirm-password" in app.reader.get(f"/apps/{app.grant.id}/{path}").location
    for path in ("", "/receipt.pdf", "/receipt.json"):
        assert "/confirm-password" in app.reader.get(f"{app.receipt}{path}").location
    assert "/confirm-password" in app.reader.take("/apps/export.csv").location
