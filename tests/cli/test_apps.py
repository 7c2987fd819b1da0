"""Apps from the command line: programs registered, and what changes an app's standing."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy.orm import Session

from oauth.apps import clients, programs
from oauth.apps.clients import BackendBasis, ClientStatus
from oauth.models import Client
from service.plan.models import PlanStaff, StaffRole
from service.plan.staff import plan_staff, second_looks
from tests.factories import make_developer, make_organization, make_plan_staff
from tests.oauth.desk import App, Desk
from tests.oauth.keyed import Program, ec, key_server, rsa
from tests.oauth.life import Life
from tests.oauth.test_dynamic_registration import Registered, refused


@pytest.fixture(autouse=True)
def administrator(session: Session) -> PlanStaff:
    """Somebody who can say yes to programs."""
    made = make_plan_staff(session, StaffRole.ADMINISTRATOR)
    session.commit()
    return made


def run(app: Flask, *arguments: str) -> Result:
    """One command."""
    return app.test_cli_runner().invoke(args=["apps", *arguments])


def written(folder: Path, content: object, name: str = "keys.json") -> str:
    """A file with this JSON."""
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def say_yes(app: Flask, session: Session) -> None:
    """The administrator's yes to the one act that waits."""
    [act] = second_looks.list_waiting(session)
    by = plan_staff.with_role(session, StaffRole.ADMINISTRATOR)[0]
    programs.carry_out(session, act, by=by, settings=app.extensions["latchstring"].settings)
    session.commit()


def registered(app: Flask, session: Session, *arguments: str) -> Client:
    """What the command asked for, allowed."""
    told = run(app, "register", *arguments)
    assert told.exit_code == 0, told.output
    say_yes(app, session)
    found = session.get_one(Client, told.stdout.split()[-1])
    session.commit()
    return found


def test_a_program_of_the_plan_is_registered_and_listed(app: Flask, session: Session, tmp_path: Path) -> None:
    keys = written(tmp_path, ec().jwks)
    client = registered(app, session, "Quality Desk", "--developer", "Reporting", "--jwks", keys)
    assert (client.backend_basis, client.scopes) == (BackendBasis.PLAN, "system/*.rs")
    listed = run(app, "list")
    assert f"{client.id}  approved  backend (plan)  private_key_jwt  Quality Desk, Reporting" in listed.stdout
    program = Program(desk := Desk(app), App(clients.view(client), None), ec())
    assert program.ask("system/*.rs").status_code == 200 and desk.settings.sandbox


def test_a_program_of_a_provider_by_its_tax_id_and_the_address_of_its_keys(app: Flask, session: Session) -> None:
    organization = make_organization(session, tax_id="071234509")
    session.commit()
    with key_server() as server:
        arguments = ("Billing Desk", "--developer", "Ledger", "--provider", "07-1234509")
        client = registered(app, session, *arguments, "--jwks-uri", server.url)
    assert (client.provider_organization_id, client.backend_basis) == (organization.id, BackendBasis.PROVIDER)
    assert client.scopes == "system/ExplanationOfBenefit.rs system/PaymentReconciliation.rs"


def test_what_cannot_be_is_told_in_a_line(app: Flask, tmp_path: Path) -> None:
    good = written(tmp_path, ec().jwks)
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    private = written(tmp_path, {"keys": [ec().key.as_dict(private=True)]}, "private.json")
    begin = ("register", "Quality Desk", "--developer", "Reporting")
    for arguments, said in {
        (*begin,): "one of the two",
        (*begin, "--jwks", good, "--jwks-uri", "https://x.example"): "one of the two",
        (*begin, "--jwks", str(broken)): "not JSON",
        (*begin, "--jwks", written(tmp_path, [], "list.json")): "no key set",
        (*begin, "--jwks", private): "private",
        (*begin, "--jwks", written(tmp_path, rsa("small", 1024).jwks, "small.json")): "2048",
        (*begin, "--jwks-uri", "http://192.0.2.1/keys"): "https://",
        (*begin, "--jwks-uri", "https://10.0.0.1/keys"): "public internet",
        (*begin, "--jwks", good, "--provider", "123"): "nine digits",
        (*begin, "--jwks", good, "--provider", "071234500"): "registers first",
        (*begin, "--jwks", good, "--scopes", "patient/*.rs"): "system/ scopes only",
        (*begin, "--jwks", good, "--contact", "x" * 321): "1 to 320 characters",
        (*begin[:2], "--jwks", good, "--developer", "Reporting\nApproved"): "in one line",
        (*begin[:2], "--jwks", good, "--developer", " "): "The developer has 1 to 200",
        (*begin, "--jwks", good, "--break-glass", " "): "needs a reason",
        (*begin, "--jwks", good, "--reason", "x" * 501): "500 letters",
        ("suspend", "nobody", "--reason", "x"): "no app",
        ("set-keys", "nobody", "--jwks", good): "no app",
    }.items():
        told = run(app, *arguments)
        assert told.exit_code == 1 and said in told.stderr, (arguments, told.output)
        assert "Traceback" not in told.output
    assert "No app" in run(app, "list").stderr


def test_an_app_is_suspended_resumed_and_retired(app: Flask, session: Session) -> None:
    client_id = Desk(app).register().id
    for command, status in (
        ("suspend", ClientStatus.SUSPENDED), ("resume", ClientStatus.APPROVED), ("retire", ClientStatus.RETIRED),
    ):  # fmt: skip
        assert run(app, command, client_id, "--reason", "review").exit_code == 0
        assert session.get_one(Client, client_id, populate_existing=True).status is status
        session.commit()
    again = run(app, "resume", client_id, "--reason", "review")
    assert again.exit_code == 1 and "Nothing was changed" in again.stderr


def test_a_program_of_the_plan_is_narrowed_and_never_widened(app: Flask, session: Session, tmp_path: Path) -> None:
    begin = ("Quality Desk", "--developer", "Reporting", "--jwks", written(tmp_path, ec().jwks))
    client_id = registered(app, session, *begin).id
    assert run(app, "narrow", client_id, "system/Patient.rs system/Coverage.rs", "--reason", "less").exit_code == 0
    assert session.get_one(Client, client_id, populate_existing=True).scopes == "system/Patient.rs system/Coverage.rs"
    session.commit()
    for scopes in ("system/*.rs", "system/Patient.rs system/Coverage.rs", "user/Patient.rs", "openid", "nonsense"):
        told = run(app, "narrow", client_id, scopes, "--reason", "more")
        assert told.exit_code == 1 and "Give what is left" in told.stderr, (scopes, told.output)
    assert run(app, "narrow", "nobody", "system/Patient.rs", "--reason", "x").exit_code == 1
    assert session.get_one(Client, client_id, populate_existing=True).scopes == "system/Patient.rs system/Coverage.rs"


def test_a_secret_is_rotated_and_shown_once(app: Flask) -> None:
    desk = Desk(app)
    confidential, public = desk.register_confidential(), desk.register()
    secret = run(app, "rotate-secret", confidential.id).stdout.strip()
    answer = desk.app.test_client().post(
        "/oauth/revoke", data={"token": "t"}, headers=App(confidential.view, secret).basic()
    )
    assert answer.status_code == 200
    refused = run(app, "rotate-secret", public.id)
    assert refused.exit_code == 1 and "no secret" in refused.stderr


def test_keys_are_replaced_and_the_old_ones_end_with_their_tokens(app: Flask, session: Session, tmp_path: Path) -> None:
    keys = written(tmp_path, ec().jwks)
    desk, client = Desk(app), registered(app, session, "Quality Desk", "--developer", "Reporting", "--jwks", keys)
    before = Program(desk, App(clients.view(client), None), ec())
    token = before.token("system/*.rs")
    with key_server(rsa()) as server:
        assert run(app, "set-keys", client.id, "--jwks-uri", server.url).exit_code == 0
        say_yes(app, session)
        after = Program(desk, before.app, rsa())
        assert before.knock().status_code == 401 and after.knock().status_code == 200
    headers = {"Authorization": f"Bearer {token}"}
    assert desk.app.test_client().get("/fhir/r4/Patient", headers=headers).status_code == 401
    assert run(app, "set-keys", client.id, "--jwks", written(tmp_path, ec("new").jwks)).exit_code == 0
    say_yes(app, session)
    assert after.knock().status_code == 401
    assert Program(desk, before.app, ec("new")).knock().status_code == 200
    refused = run(app, "set-keys", desk.register().id, "--jwks", written(tmp_path, ec().jwks))
    assert refused.exit_code == 1 and "private_key_jwt" in refused.stderr


def test_an_app_that_a_program_registered_is_adopted_by_an_organization(app: Flask, session: Session) -> None:
    desk = Desk(app)
    registered_app, developer = Registered.new(desk), make_developer(session, name="Orchard Works")
    session.commit()
    listed = run(app, "organizations", "orchard").stdout
    assert f"{developer.organization_id}  stands  apps: 0  people: 1  Orchard Works" in listed

    told = run(app, "adopt", registered_app.id, "Orchard Works")

    assert told.exit_code == 0 and "Orchard Works has the app now" in told.stdout
    found = session.get_one(Client, registered_app.id, populate_existing=True)
    assert (found.organization_id, found.developer_name) == (developer.organization_id, "Orchard Works")
    session.commit()
    assert refused(registered_app.manage("GET", None), "invalid_token", 401)
    again = run(app, "adopt", registered_app.id, developer.organization_id)
    assert again.exit_code == 1 and "belongs to a developer organization already" in again.stderr


def test_an_adoption_that_cannot_be_is_told_in_a_line(app: Flask, session: Session, tmp_path: Path) -> None:
    desk = Desk(app)
    free, closed = Registered.new(desk).id, Registered.new(desk).id
    assert run(app, "retire", closed, "--reason", "over").exit_code == 0
    shut = Life.begin(desk, desk.settings)
    shut.disable_organization()
    twins = [make_developer(session, name="Twin Apps").organization_id for _ in range(2)]
    works = make_developer(session).organization_id
    shut_out = shut.developer(session).organization_id
    session.commit()
    arguments = ("Quality Desk", "--developer", "Reporting", "--jwks", written(tmp_path, ec().jwks))
    program = registered(app, session, *arguments).id
    introspecting = desk.register_confidential(may_introspect=True).id
    for client_id, organization, said in (
        ("nobody", works, "no app with this client_id"), (free, "Orchard", "flask apps organizations"),
        (free, "Twin Apps", twins[1]), (free, shut_out, "shut this organization out"),
        (closed, works, "closed for good"), (program, works, "program without a person"),
        (introspecting, works, "two people of the plan change its secret"),
    ):  # fmt: skip
        told = run(app, "adopt", client_id, organization)
        assert told.exit_code == 1 and said in told.stderr, (client_id, organization, told.output)
        for one in (free, introspecting):
            assert session.get_one(Client, one, populate_existing=True).organization_id is None
        session.commit()
    assert "No developer organization fits." in run(app, "organizations", "nobody").stderr
    assert f"{shut_out}  disabled" in run(app, "organizations").stdout
