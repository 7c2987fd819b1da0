"""Settings: read from the environment, refused by name where unsafe; a plan's words come from its own file."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from service.app import create_app
from service.environment import UnsafeSetting
from service.plan_file import SANDBOX_PLAN, Plan
from service.settings import Mode, Settings, SmtpSecurity

KEY = bytes(range(7, 39)).hex()
PARTNERS = Path(__file__).parent / "plan" / "partners.toml"


def read(tmp_path: Path, **given: str) -> Settings:
    return Settings.from_environment({"VAR": str(tmp_path), **given})


def test_the_sandbox_needs_no_setting_and_keeps_its_own_key(tmp_path: Path) -> None:
    first, second = read(tmp_path), read(tmp_path)
    assert first.mode is Mode.SANDBOX
    assert first.fhir_base == "http://localhost:8000/fhir/r4"
    assert first.secret_key == second.secret_key
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"MODE": "production", "BASE_URL": "https://plan.example"}, "SECRET_KEY"),
        ({"MODE": "production", "SECRET_KEY": KEY}, "BASE_URL"),
        ({"MODE": "production", "SECRET_KEY": KEY, "BASE_URL": "http://plan.example"}, "BASE_URL"),
        ({"SECRET_KEY": "abcd"}, "SECRET_KEY"),
        ({"SECRET_KEY": KEY, "BASE_URL": "https://plan.example"}, "MODE"),
        ({"SECRET_KEY": "not hexadecimal"}, "SECRET_KEY"),
        ({"BASE_URL": "http://plan.example"}, "BASE_URL"),
        ({"BASE_URL": "https://plan.example/path"}, "BASE_URL"),
        ({"PROVIDER_ACCESS": "true"}, "PROVIDER_ACCESS"),
        ({"PAYER_TO_PAYER": ""}, "PAYER_TO_PAYER"),
        ({"REFUSE_COMMON_PASSWORDS": "false"}, "REFUSE_COMMON_PASSWORDS"),
        ({"DATABASE_URL": "mysql://u:p@db.example.org/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        ({"BASE_URL": "http://localhost:abc"}, "BASE_URL"),
        ({"BASE_URL": "http://localhost:70000"}, "BASE_URL"),
        ({"MAIL_FROM": "nobody"}, "MAIL_FROM"),
        ({"MAIL_FROM": "a@b.org\r\nBcc: c@d.org"}, "MAIL_FROM"),
        ({"PLAN_FILE": "/nowhere/plan.toml"}, "PLAN_FILE"),
        ({"PLAN_FILE": __file__}, "PLAN_FILE"),
        ({"PROGRAMS_REGISTER": "token", "REGISTRATION_TOKEN_FILE": "/nowhere/token"}, "REGISTRATION_TOKEN_FILE"),
    ],
)
def test_an_unsafe_setting_is_refused_by_name(tmp_path: Path, given: dict[str, str], named: str) -> None:
    with pytest.raises(UnsafeSetting, match=named):
        read(tmp_path, **given)


@pytest.mark.parametrize("told", ["name = 1", "", "[plan]\nname = 'x'", "phones = [1]", "timezone = 'Nowhere/At_all'"])
def test_a_plan_file_that_lacks_something_is_named(tmp_path: Path, told: str) -> None:
    written = tmp_path / "plan.toml"
    written.write_text(told)
    with pytest.raises(UnsafeSetting, match="PLAN_FILE"):
        read(tmp_path, PLAN_FILE=str(written))


def test_settings_tell_no_secret_of_themselves(tmp_path: Path) -> None:
    made = read(tmp_path, SECRET_KEY=KEY, DATABASE_URL="postgresql://u:hush-hush@db.example.org/x")
    assert "hush-hush" not in repr(made) and repr(made.secret_key) not in repr(made)


def test_production_refuses_a_shifted_clock(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("60")
    with pytest.raises(UnsafeSetting, match="clock"):
        read(tmp_path, MODE="production", SECRET_KEY=KEY, BASE_URL="https://plan.example")


PRODUCTION = {
    "MODE": "production", "SECRET_KEY": KEY, "BASE_URL": "https://plan.example",
    "PASSWORD_PEPPER": bytes(range(90, 122)).hex(), "PLAN_FILE": str(PARTNERS),
    "MAIL_FROM": "no-reply@latchstring-plan.com",
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (PRODUCTION | {"SMTP_HOST": "mail.plan.example"}, "SMTP_SECURITY"),
        (PRODUCTION | {"SMTP_HOST": "192.0.2.7", "SMTP_SECURITY": "none"}, "SMTP_SECURITY"),
        (PRODUCTION | {"SMTP_HOST": "localhost.plan.example"}, "SMTP_SECURITY"),
        ({"SMTP_HOST": "192.0.2.7", "SMTP_USERNAME": "u", "SMTP_PASSWORD": "p"}, "SMTP_SECURITY"),
        ({"SMTP_SECURITY": "ssl"}, "SMTP_SECURITY"),
        ({"SMTP_USERNAME": "u"}, "SMTP_PASSWORD"),
        ({"SMTP_PASSWORD": "p"}, "SMTP_USERNAME"),
        ({"SMTP_USERNAME": "u", "SMTP_PASSWORD": "pässword"}, "SMTP_PASSWORD"),
        ({"SMTP_USERNAME": "u", "SMTP_PASSWORD": "p", "SMTP_PASSWORD_FILE": __file__}, "SMTP_PASSWORD_FILE"),
        ({"SMTP_USERNAME": "u", "SMTP_PASSWORD_FILE": "/nowhere/password"}, "SMTP_PASSWORD_FILE"),
        ({"SMTP_CA_FILE": "/nowhere/ca.pem"}, "SMTP_CA_FILE"),
    ],
)
def test_mail_settings_that_would_send_in_clear_or_never_are_refused_by_name(
    tmp_path: Path, given: dict[str, str], named: str
) -> None:
    with pytest.raises(UnsafeSetting, match=named) as refused:
        read(tmp_path, **given)
    assert "pässword" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.9", "::1"])
def test_production_may_hand_its_mail_to_a_server_on_this_machine(tmp_path: Path, host: str) -> None:
    assert read(tmp_path, **PRODUCTION, SMTP_HOST=host).smtp_security is SmtpSecurity.NONE


def test_the_mail_servers_password_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("Door-Chain 31 \n")
    given = {"SMTP_USERNAME": "u", "SMTP_PASSWORD_FILE": str(tmp_path / "password"), "SMTP_SECURITY": "STARTTLS"}
    settings = read(tmp_path, **PRODUCTION, SMTP_HOST="mail.plan.example", **given)

    assert settings.smtp_password == "Door-Chain 31 "
    assert settings.smtp_security is SmtpSecurity.STARTTLS


def test_production_refuses_a_plan_without_the_portals_terms(tmp_path: Path) -> None:
    words = SANDBOX_PLAN.read_text("utf-8").partition("[[terms]]")[0]
    (tmp_path / "plan.toml").write_text(words, "utf-8")
    with pytest.raises(UnsafeSetting, match="delegate, provider_portal"):
        read(
            tmp_path, MODE="production", SECRET_KEY=KEY, BASE_URL="https://plan.example",
            PLAN_FILE=str(tmp_path / "plan.toml"),
        )  # fmt: skip


@pytest.fixture
def production(settings: Settings, engine: Engine) -> Flask:
    return create_app(
        replace(settings, mode=Mode.PRODUCTION, base_url="https://plan.example", plan=Plan.read(PARTNERS)), engine
    )


def test_the_sandbox_pages_do_not_exist_in_production(production: Flask) -> None:
    assert [rule.rule for rule in production.url_map.iter_rules() if rule.rule.startswith("/sandbox")] == []
    browser = production.test_client()
    for path in ("/sandbox/mail", "/sandbox/mail.json", "/sandbox/app"):
        assert browser.get(path, base_url="https://plan.example").status_code == 404


def test_under_https_the_cookie_is_bound_to_the_host_and_never_sent_in_clear(production: Flask) -> None:
    answer = production.test_client().get("/sign-in", base_url="https://plan.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-sid=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert "max-age=" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("path", ["/", "/help", "/forgot-username", "/sign-in"])
def test_another_plan_speaks_with_its_own_name_and_numbers(production: Flask, path: str) -> None:
    page = production.test_client().get(path, base_url="https://plan.example").text
    assert "Partners Example Plan" in page
    for number in ("1-800-553-0784", "1-866-901-8000", "1-888-888-1211", "1-877-454-8477"):
        assert number in page
    assert "Meridian" not in page


def test_canned_replies_and_the_mailbox_address_come_from_the_plan_file(tmp_path: Path) -> None:
    sandbox = Plan.read(None)
    bare = SANDBOX_PLAN.read_text(encoding="utf-8").split("[[terms]]")[0].replace("mailbox_address", "# none")
    (tmp_path / "plan.toml").write_text(bare, encoding="utf-8")

    assert sandbox.mailbox_address and all(reply.title and "{staff}" in reply.text for reply in sandbox.canned_replies)
    plain = Plan.read(tmp_path / "plan.toml")
    assert (plain.mailbox_address, plain.canned_replies) == ("", ())
