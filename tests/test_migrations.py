"""The schema changes lead from nothing to what the models say, and back, on both databases."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from oauth.apps.app_content import AppContent
from oauth.apps.models import AppReview
from service.db import Base, make_engine, make_sessions
from service.sandbox import schema
from service.settings import Settings
from tests.conftest import ROOT


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Migrations start from nothing."""
    return empty_database_url


@pytest.fixture
def config(settings: Settings) -> Config:
    made = Config(ROOT / "alembic.ini")
    made.attributes["settings"] = settings
    return made


def test_the_versions_lead_to_the_tables_of_the_models(settings: Settings) -> None:
    assert schema.bring_up_to_date(settings)

    engine = make_engine(settings.database_url)
    with engine.connect() as connection:
        opts = {
            "compare_type": True,
            "include_object": lambda item, *_: item.info.get("dialect") in {None, connection.dialect.name},
        }
        context = MigrationContext.configure(connection, opts=opts)
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()

    assert differences == []


def test_every_version_goes_down_again(settings: Settings, config: Config) -> None:
    schema.bring_up_to_date(settings)

    command.downgrade(config, "base")

    engine = make_engine(settings.database_url)
    with engine.connect() as connection:
        left = inspect(connection).get_table_names()
    engine.dispose()
    assert left == ["alembic_version"]
    assert schema.bring_up_to_date(settings), "and up again"


def test_apps_and_what_hangs_from_them_outlive_the_change_of_logos(settings: Settings, config: Config) -> None:
    command.upgrade(config, "0004")
    engine = make_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO client (id, name, name_skeleton, kind, token_endpoint_auth_method, redirect_uris, launch_uris,"
            " scopes, may_introspect, status, developer_name, attestation, version, created_at, logo) VALUES ('a', 'A',"
            " 'a', 'public', 'none', '[]', '[]', '', false, 'approved', 'D', 'unanswered', 1, 0, :logo)"
        ), {"logo": b"unread"})  # fmt: skip
        connection.execute(text(
            "INSERT INTO pending_authorization (id, client_id, redirect_uri, scope, state, code_challenge, prompt,"
            " created_at, expires_at) VALUES ('p', 'a', '', '', '', '', '', 0, 0)"
        ))  # fmt: skip

    command.upgrade(config, "0015")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT id, logo_digest FROM client")).all() == [("a", None)]
        assert connection.scalars(text("SELECT client_id FROM pending_authorization")).all() == ["a"]
        connection.execute(text("INSERT INTO app_logo (digest, png) VALUES ('d', :png)"), {"png": b"drawn"})
        connection.execute(text("UPDATE client SET logo_digest = 'd'"))
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(text("DELETE FROM app_logo"))
    command.downgrade(config, "0004")

    with engine.begin() as connection:
        assert bytes(connection.scalars(text("SELECT logo FROM client")).one()) == b"drawn"
        assert connection.scalars(text("SELECT client_id FROM pending_authorization")).all() == ["a"]
    engine.dispose()


def test_a_database_that_is_up_to_date_is_left_alone(settings: Settings, config: Config) -> None:
    schema.bring_up_to_date(settings)

    assert schema.bring_up_to_date(settings) is False
    assert schema.current_revision(settings) == ScriptDirectory.from_config(config).get_current_head()


def test_versions_stand_in_one_line(config: Config) -> None:
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_what_was_counted_before_units_were_kept_names_none_and_goes_down_again(
    settings: Settings, config: Config
) -> None:
    command.upgrade(config, "0070")
    engine = make_engine(settings.database_url)
    member = (
        "INSERT INTO member (id, patient_id, member_number, subscriber_number, given_name, family_name, birth_date,"
        " zip_code, line_of_business, address_line, city, state, phone, email_on_file, confidential, loaded_at)"
        " VALUES (:id, :id, :id, :id, 'A', 'B', '1956-04-30', '', 'HMO', '', '', '', '', '', false, 0)"
    )
    transfer = (
        "INSERT INTO api_transfer (day, grant_id, member_id, client_id, plan_unit, events, sessions, resources)"
        " VALUES ('2026-09-30', :id, 'before', 'porch', 'HMO', 1, 1, 1)"
    )
    with engine.begin() as connection:
        connection.execute(text(member), {"id": "before"})
        connection.execute(text(transfer), {"id": "before"})

    command.upgrade(config, "0072")
    with engine.begin() as connection:
        # The release before goes on writing meanwhile.
        connection.execute(text(member), {"id": "meanwhile"})
        connection.execute(text(transfer), {"id": "meanwhile"})
        assert connection.scalars(text("SELECT report_unit FROM member")).all() == ["", ""]
        assert connection.scalars(text("SELECT report_unit FROM api_transfer")).all() == [None, None]
    with engine.begin() as connection, pytest.raises(DatabaseError, match="append-only"):
        connection.execute(text("UPDATE api_transfer SET report_unit = 'H1234'"))
    command.downgrade(config, "0070")

    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM api_transfer")) == 2
    engine.dispose()


@pytest.mark.parametrize("table", ["audit_event", "consent_decision", "consent_page", "plan_edition"])
def test_a_migrated_database_guards_its_evidence(settings: Settings, table: str) -> None:
    schema.bring_up_to_date(settings)

    engine = make_engine(settings.database_url)
    catalogue = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:table AS regclass) AND NOT tgisinternal",
    }
    with engine.connect() as connection:
        found = set(connection.scalars(text(catalogue[engine.dialect.name]), {"table": table}))
    engine.dispose()

    expected = {
        "sqlite": {f"{table}_no_update", f"{table}_no_delete"},
        "postgresql": {f"{table}_append_only"} | ({f"{table}_no_delete"} if table == "audit_event" else set()),
    }
    assert found == expected[engine.dialect.name]


def test_every_app_that_is_there_gets_a_first_version_that_stands_as_it_stood(
    settings: Settings, config: Config
) -> None:
    command.upgrade(config, "0016")
    engine = make_engine(settings.database_url)
    with engine.begin() as connection:
        for status in ("approved", "suspended", "retired"):
            connection.execute(text(
                "INSERT INTO client (id, name, name_skeleton, kind, token_endpoint_auth_method, redirect_uris,"
                " launch_uris, scopes, may_introspect, status, developer_name, attestation, version, created_at) VALUES"
                " (:id, 'A', :id, 'public', 'none', '[\"https://a.example/cb\"]', '[]', 'openid', false, :id, 'D',"
                " 'unanswered', 1, 7)"
            ), {"id": status})  # fmt: skip

    command.upgrade(config, "0018")

    with make_sessions(engine)() as session:
        found = session.scalars(select(AppReview).order_by(AppReview.client_id)).all()
        assert [(review.client_id, review.state.value) for review in found] == [
            ("approved", "approved"), ("retired", "retired"), ("suspended", "suspended"),
        ]  # fmt: skip
        assert all(
            AppContent.read(review.content).redirect_uris == ("https://a.example/cb",) and review.number == 1
            for review in found
        )
    with engine.begin() as connection:
        connection.execute(text("UPDATE client SET status = 'pending' WHERE id = 'approved'"))
    command.downgrade(config, "0016")
    with engine.begin() as connection:
        assert set(connection.scalars(text("SELECT status FROM client"))) == {"suspended", "retired"}
    engine.dispose()
