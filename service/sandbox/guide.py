"""What `make run` shows once the sandbox answers: who can sign in, and what to try first."""

from rich.console import Console
from rich.table import Table

from service.sandbox.app_developers import DEVON
from service.sandbox.handout import HandOut
from service.sandbox.portal_people import SHOWN_FIRST

_SHOWN = frozenset(person.username for person in (*SHOWN_FIRST, DEVON))


def show(console: Console, handout: HandOut) -> None:
    """Print the sign-ins and the first steps."""
    console.print()
    console.print(_sign_ins(handout))
    console.print(_first_steps(handout), highlight=False, soft_wrap=True)


def _sign_ins(handout: HandOut) -> Table:
    table = Table(title=f"{handout['plan']} on {handout['base_url']}", title_justify="left", title_style="bold")
    for column in ("Username", "Password", "Acts for", "Good for"):
        table.add_column(column, no_wrap=column in {"Username", "Password"})
    for account in handout["accounts"]:
        if "organization" not in account or account["username"] in _SHOWN:
            table.add_row(account["username"], account["password"], _acts_for(account), account["good_for"])
    return table


def _acts_for(account: HandOut) -> str:
    if "organization" in account:
        return str(account["organization"])
    return ", ".join(_as_said(member) for member in account["members"])


def _as_said(member: HandOut) -> str:
    name: str = member["name"]
    return name if member["relation"] == "self" else f"{name} ({member['relation'].replace('_', ' ')})"


def _first_steps(handout: HandOut) -> str:
    base = handout["base_url"]
    lines = [
        "",
        "What to try",
        f"  1. Connect an app:       {handout['demo_app']}",
        f"  2. See it and revoke it: {base}/apps",
        f"  3. Read the mail:        {base}/sandbox/mail",
        *_registration(base, handout["registrations"]["members"]),
        *_portal(base, handout["provider_proofs"]),
        f"  7. Programs, no person:  {_programs(handout['clients'])} (client_credentials at {base}/oauth/token)",
        *_representatives(base, handout["representative_requests"]),
        "Apps' ids, secrets and keys, and the other sign-ins, are in var/sandbox.json. Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _programs(clients: list[HandOut]) -> str:
    return ", ".join(client["client_id"] for client in clients if client["kind"] == "backend")


def _representatives(base: str, waiting: list[HandOut]) -> list[str]:
    if not waiting:
        return []
    one = waiting[0]
    who = f"{one['asks']} wants to act for {one['for_member']}"
    return [f"  8. Link a representative: {who} (sign in as nora: {base}{one['address']})"]


def _registration(base: str, members: list[HandOut]) -> list[str]:
    if not members:
        return []
    one = members[0]
    proof = f"{one['member_number']}, {one['family_name']}, {one['birth_date']}, {one['zip_code']}"
    return [f"  4. Register:             {base}/register ({proof})"]


def _portal(base: str, proofs: list[HandOut]) -> list[str]:
    """Where portal and console are, a proof to register with, where the codes come from; and where developers begin."""
    one = next(proof for proof in proofs if not proof["registered"] and "check" in proof)
    proof = f"Tax ID {one['tax_id']}, NPI {one['npi']}, check {one['check']}"
    return [
        f"  5. Provider portal:      {base}/provider (plan staff: {base}/staff/)",
        f"     Register with:        {proof}, {one['group']}",
        f"     6-digit codes:        {base}/sandbox/code, or .venv/bin/flask sandbox code {SHOWN_FIRST[0].username}",
        f"  6. Register an app:      {base}/developers (sign in as {DEVON.username})",
    ]
