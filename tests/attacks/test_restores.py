"""Case 194 and the promise "0 revoked grants alive": a backup put back revives nothing that was taken away since."""

import json
import shutil
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, delete, select, text, update

from consent import grants, representatives
from consent.models import Basis, ChangeKind, EndedBy, Grant, GrantStatus, RepresentativeLink
from oauth.models import Client, ClientStatus, FamilyEnd, TokenFamily
from oauth.tokens import token_rows
from service import revocations
from service.accounts import password_reset, passwords
from service.accounts.models import Account
from service.app import create_app
from service.databases import schema
from service.db import Base, make_sessions
from service.plan.models import Guard, Member, PlanStaff, ProtectedRecord, StaffRole
from service.plan.staff import record_guards
from service.revocations import Journal, NotJournalled, Revocation
from service.settings import Settings
from tests.cli.conftest import stamp
from tests.factories import PASSWORD, make_member, make_plan_staff, make_representative
from tests.oauth.desk import App, Desk

NEW_PASSWORD = "Lantern-street-88"


def standing(desk: Desk, app: App) -> Grant:
    with desk.session() as session:
        return session.scalars(select(Grant).where(Grant.client_id == app.id)).one()


def lines(settings: Settings) -> list[dict[str, object]]:
    return list(Journal(settings.journal_folder).lines())


def end_grant(desk: Desk, app: App) -> None:
    with desk.session() as session:
        grants.revoke(session, session.get_one(Grant, standing(desk, app).id), by=EndedBy.MEMBER)


def pause_grant(desk: Desk, app: App) -> None:
    with desk.session() as session:
        grant = session.get_one(Grant, standing(desk, app).id)
        grant.status, grant.paused_by = GrantStatus.PAUSED, EndedBy.MEMBER
        grants.note_change(session, grant, ChangeKind.PAUSED, desk.account.id)


def end_family(desk: Desk, app: App) -> None:
    with desk.session() as session:
        family = session.scalars(select(TokenFamily.id).where(TokenFamily.client_id == app.id)).one()
        assert token_rows.end_family(session, family, FamilyEnd.REFRESH_REUSED)


def suspend_app(desk: Desk, app: App) -> None:
    with desk.session() as session:
        session.get_one(Client, app.id).status = ClientStatus.SUSPENDED


def change_password(desk: Desk, _app: App) -> None:
    with desk.session() as session:
        account = session.get_one(Account, desk.account.id)
        password_reset.replace_password(session, account, passwords.make_hash(NEW_PASSWORD))


def disable_account(desk: Desk, _app: App) -> None:
    with desk.session() as session:
        account = session.get_one(Account, desk.account.id)
        account.status = type(account.status)("disabled")


TAKEN_AWAY = (end_grant, pause_grant, end_family, suspend_app, change_password, disable_account)


class Backup:
    """A copy of every row, and the same put back: what a restore leaves, on both databases."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.begin() as connection:
            self._rows = {
                table: [dict(row._mapping) for row in connection.execute(select(table))]
                for table in Base.metadata.sorted_tables
            }

    def put_back(self) -> None:
        with self._engine.begin() as connection:
            sqlite = connection.dialect.name == "sqlite"
            if not sqlite:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            triggers = [] if not sqlite else connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
            ).all()  # fmt: skip
            for name, _ in triggers:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            for table in reversed(self._rows):
                connection.execute(delete(table))
            for table, rows in self._rows.items():
                if rows:
                    connection.execute(table.insert(), rows)
            for _, sql in triggers:
                connection.exec_driver_sql(sql)


@pytest.mark.parametrize("take_away", TAKEN_AWAY)
def test_case_194_what_was_taken_away_after_the_backup_stays_away(
    desk: Desk, settings: Settings, engine: Engine, take_away: Callable[[Desk, App], None]
) -> None:
    stamp(engine, schema.newest())
    app = desk.register()
    tokens = desk.connect(app)
    assert desk.works(tokens["access_token"])
    backup = Backup(engine)
    take_away(desk, app)
    assert lines(settings), "journalled before the answer"

    backup.put_back()
    restored = Desk.__new__(Desk)
    restored.app, restored.member, restored.account = create_app(settings, engine), desk.member, desk.account
    browser = restored.app.test_client()
    for path in ("/", "/sign-in", "/oauth/authorize", "/fhir/r4/metadata", "/fhir/r4/Patient", "/openapi.json"):
        answer = browser.get(path, headers={"Authorization": f"Bearer {tokens['access_token']}"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), path
    assert restored.refresh(app, tokens["refresh_token"]).status_code == 503
    assert browser.get("/health/live").status_code == 200
    ready = browser.get("/health/ready")
    assert (ready.status_code, ready.json) == (503, {"status": "not ready", "reason": "restored"})
    refused = restored.app.test_cli_runner().invoke(args=["worker", "run", "--once"])
    assert refused.exit_code == 1 and "flask backup replay" in refused.stderr

    told = restored.app.test_cli_runner().invoke(args=["backup", "replay"])
    assert told.exit_code == 0 and "revocations done again" in told.stdout, told.output
    assert "flask audit accept-loss" in told.stdout
    after = create_app(settings, engine)
    restored.app = after
    assert after.test_client().get("/health/ready").status_code == 200
    assert not restored.works(tokens["access_token"])
    if take_away is not change_password:
        assert restored.refresh(app, tokens["refresh_token"]).status_code in {400, 401}
    again = after.test_cli_runner().invoke(args=["backup", "replay"])
    assert again.stdout == "0 revocations done again.\n"
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))


def test_case_194_an_old_password_does_not_come_back(desk: Desk, settings: Settings, engine: Engine) -> None:
    backup = Backup(engine)
    change_password(desk, desk.register())
    backup.put_back()
    app = create_app(settings, engine)
    assert app.test_cli_runner().invoke(args=["backup", "replay"]).exit_code == 0
    with make_sessions(engine)() as session:
        account = session.get_one(Account, desk.account.id)
        assert account.credentials_version == desk.account.credentials_version + 1
        assert not passwords.verify_hash(account.password_hash, PASSWORD)
        assert not passwords.verify_hash(account.password_hash, NEW_PASSWORD)


def guard(desk: Desk, staff_id: str, way: str) -> None:
    with desk.session() as session:
        staff, member = session.get_one(PlanStaff, staff_id), session.get_one(Member, desk.member.id)
        if way == "colleague":
            record_guards.know_colleague(session, staff, member)
        else:
            record_guards.protect(session, member, by=staff, reason="Sings as Rosa Diaz")


def lift(desk: Desk, staff_id: str) -> None:
    with desk.session() as session:
        marked = session.get_one(ProtectedRecord, desk.member.id)
        record_guards.lift(session, marked, by=session.get_one(PlanStaff, staff_id), reason="Sings no more")


def guard_after(engine: Engine, settings: Settings, desk: Desk, words: str) -> Guard | None:
    """Replay, which says `words` first; by what the record is guarded then."""
    told = create_app(settings, engine).test_cli_runner().invoke(args=["backup", "replay"])
    assert told.exit_code == 0 and told.output.startswith(words), told.output
    with make_sessions(engine)() as session:
        clerk = make_plan_staff(session, StaffRole.MEMBER_SERVICES)
        return record_guards.find_guard(session, clerk, session.get_one(Member, desk.member.id))


def appoint(desk: Desk) -> str:
    with desk.session() as session:
        return make_plan_staff(session, StaffRole.PRIVACY_OFFICER).id


@pytest.mark.parametrize("way", ["protected", "colleague"])
def test_case_194_a_record_that_needs_a_second_reason_since_the_backup_needs_it_still(
    desk: Desk, settings: Settings, engine: Engine, way: str
) -> None:
    officer = appoint(desk)
    backup = Backup(engine)
    guard(desk, officer, way)
    assert "Rosa" not in next(settings.journal_folder.glob("*.jsonl")).read_text()
    backup.put_back()

    assert guard_after(engine, settings, desk, "1 revocations done again.\n") is Guard(way)
    assert guard_after(engine, settings, desk, "0 revocations done again.\n") is Guard(way)


@pytest.mark.parametrize("before", [True, False])
def test_a_mark_that_was_lifted_since_is_as_it_was_last(
    desk: Desk, settings: Settings, engine: Engine, *, before: bool
) -> None:
    officer = appoint(desk)
    if before:
        guard(desk, officer, "protected")
    backup = Backup(engine)
    if not before:
        guard(desk, officer, "protected")
    lift(desk, officer)
    backup.put_back()

    words = "1 revocations" if before else "2 revocations"
    assert guard_after(engine, settings, desk, words) is None


def test_a_mark_whose_maker_the_copy_lacks_is_told_of_and_keeps_nothing_shut(
    desk: Desk, settings: Settings, engine: Engine
) -> None:
    backup = Backup(engine)
    guard(desk, appoint(desk), "protected")
    backup.put_back()

    told = "0 revocations done again.\n1 of protected_record could not be"
    assert guard_after(engine, settings, desk, told) is None
    app = create_app(settings, engine)
    assert not app.extensions["latchstring"].journal.must_replay(app.extensions["latchstring"].sessions)


def test_a_colleague_whom_the_copy_knows_under_another_record_stops_no_other_line(
    desk: Desk, settings: Settings, engine: Engine
) -> None:
    app, officer = desk.register(), appoint(desk)
    desk.connect(app)
    guard(desk, officer, "colleague")
    backup = Backup(engine)
    with desk.session() as session:
        unknown = make_member(session)
        record_guards.know_colleague(session, session.get_one(PlanStaff, officer), unknown)
    end_grant(desk, app)
    backup.put_back()

    told = create_app(settings, engine).test_cli_runner().invoke(args=["backup", "replay"])
    assert told.exit_code == 0 and "1 of colleague could not be" in told.output, told.output
    assert standing(desk, app).ended_at is not None


def test_what_was_resumed_since_is_as_it_was_last(desk: Desk, settings: Settings, engine: Engine) -> None:
    app = desk.register()
    desk.connect(app)
    backup = Backup(engine)
    pause_grant(desk, app)
    with desk.session() as session:
        grant = session.get_one(Grant, standing(desk, app).id)
        grant.status, grant.paused_by, grant.paused_at = GrantStatus.ACTIVE, None, None
    backup.put_back()
    create_app(settings, engine).test_cli_runner().invoke(args=["backup", "replay"])
    assert standing(desk, app).status is GrantStatus.ACTIVE


def test_a_transaction_that_is_rolled_back_leaves_no_line(desk: Desk, settings: Settings) -> None:
    app = desk.register()
    desk.connect(app)
    before = len(lines(settings))
    with pytest.raises(ZeroDivisionError), desk.session() as session:
        grants.revoke(session, session.get_one(Grant, standing(desk, app).id), by=EndedBy.MEMBER)
        session.flush()
        raise ZeroDivisionError
    assert len(lines(settings)) == before and standing(desk, app).ended_at is None


def test_a_journal_that_cannot_be_written_keeps_the_answer_back_until_it_can(
    desk: Desk, settings: Settings, engine: Engine
) -> None:
    app = desk.register()
    desk.connect(app)
    shutil.rmtree(settings.journal_folder, ignore_errors=True)
    settings.journal_folder.write_text("in the way of the folder")
    with pytest.raises(NotJournalled):
        end_grant(desk, app)
    settings.journal_folder.unlink()
    with desk.session() as session:
        session.execute(text("SELECT 1"))
    assert [line["table"] for line in lines(settings)] == ["consent_grant"]


def test_the_worker_writes_what_a_process_left(desk: Desk, settings: Settings, engine: Engine) -> None:
    app = desk.register()
    desk.connect(app)
    end_grant(desk, app)
    shutil.rmtree(settings.journal_folder)
    with engine.begin() as connection:
        connection.execute(update(Revocation).values(written=False))
    revocations.write_late(make_sessions(engine), settings)
    assert "consent_grant" in [line["table"] for line in lines(settings)]
    with make_sessions(engine)() as session:
        # docs/backup.md: so a journal that was lost is written anew.
        assert len(lines(settings)) == len(session.scalars(select(Revocation.id)).all())
        assert Journal(settings.journal_folder).gaps(session) == []
    with make_sessions(engine)() as session:
        assert set(session.scalars(select(Revocation.written))) == {True}


def test_a_line_that_a_crash_cut_short_hinders_nothing(desk: Desk, settings: Settings) -> None:
    app = desk.register()
    desk.connect(app)
    end_grant(desk, app)
    path = next(settings.journal_folder.glob("*.jsonl"))
    whole = path.read_text()
    path.write_text(whole + '{"id": "x", "table": "consent_gr')
    assert len(lines(settings)) == len(whole.splitlines())
    assert create_app(settings).test_client().get("/sign-in").status_code == 200


def test_the_journal_is_private_and_holds_no_secret(desk: Desk, settings: Settings) -> None:
    app = desk.register_confidential()
    tokens = desk.connect(app)
    for take_away in TAKEN_AWAY:
        take_away(desk, app)
    path = next(settings.journal_folder.glob("*.jsonl"))
    assert path.stat().st_mode & 0o777 == 0o600 and settings.journal_folder.stat().st_mode & 0o777 == 0o700
    words = path.read_text()
    told = [tokens[name] for name in ("access_token", "refresh_token", "id_token")]
    for secret in (*told, app.secret, PASSWORD, NEW_PASSWORD, "argon2", desk.account.email, desk.member.id):
        assert secret and secret not in words
    assert {json.loads(line)["table"] for line in words.splitlines()} >= {"consent_grant", "account", "client"}


def test_every_watched_column_is_there() -> None:
    for table, columns in revocations.WATCHED.items():
        assert set(columns) <= set(Base.metadata.tables[table].columns.keys()), table


def test_a_refresh_token_used_twice_and_a_revocation_by_the_app_are_journalled(desk: Desk, settings: Settings) -> None:
    app, other = desk.register(), desk.register()
    first, second = desk.connect(app)["refresh_token"], desk.connect(other)["refresh_token"]
    before = len(lines(settings))
    assert desk.refresh(app, first).status_code == 200
    assert len(lines(settings)) == before, "refreshing as such takes nothing away"
    assert desk.refresh(app, first).status_code == 400
    answer = desk.app.test_client().post("/oauth/revoke", data={"token": second, "client_id": other.id})
    assert answer.status_code == 200
    ended = [line["values"] for line in lines(settings) if line["table"] == "token_family"]
    assert [values["end_reason"] for values in ended if isinstance(values, dict)] == [
        FamilyEnd.REFRESH_REUSED, FamilyEnd.REVOKED_BY_APP,
    ]  # fmt: skip


def test_the_end_of_a_link_is_journalled(desk: Desk, settings: Settings) -> None:
    with desk.session() as session:
        representative = make_representative(session)
        link = representatives.link(
            session,
            representative,
            session.get_one(Member, desk.member.id),
            basis=Basis.POWER_OF_ATTORNEY,
            timezone=desk.settings.plan.timezone,
        )
        session.flush()
        link_id = link.id
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, link_id), by=EndedBy.MEMBER)
    found = [line for line in lines(settings) if line["table"] == "representative_link"]
    assert [line["key"] for line in found] == [link_id]
