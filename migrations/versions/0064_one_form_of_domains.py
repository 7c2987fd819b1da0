"""One form of the domains of addresses: what an older release kept in punycode, or with letters folded into others."""

import sys
import unicodedata

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy.exc import IntegrityError

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

_MOST = 20
_OWN_LETTERS = {"ß": "ß", "ẞ": "ß", "ς": "ς"}
_LETTERS = {"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"}
_UNSEEN = (
    range(0x34F, 0x350), range(0x115F, 0x1161), range(0x17B4, 0x17B6), range(0x180B, 0x1810), range(0x3164, 0x3165),
    range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0),
)  # fmt: skip
"""All as in service/domains.py of then: a key that the program makes otherwise is found by nobody."""
_ADDRESSES = (
    ("account", "email", "email_key"), ("email_change", "old_email", "old_email_key"),
    ("portal_invitation", "email", "email_key"), ("developer_invitation", "email", "email_key"),
    ("provider_contact", "email", "email_key"),
)  # fmt: skip
"""Codes and proofs are over in minutes: they are asked for anew."""


def upgrade() -> None:
    if op.get_context().as_sql:
        return
    folded = [(table, key, _folded(table, shown, key)) for table, shown, key in _ADDRESSES]
    _require_own_addresses(folded[0][2])
    for table, key, keys in folded:
        _write(table, key, keys)


def downgrade() -> None:
    """The keys stay: the release before reads them, and two of its own may have become one."""


def _folded(table: str, shown: str, key: str) -> dict[str, str]:
    """By row, the key that an address has from here on, where it is another."""
    rows, address, kept_key = sa.table(table), sa.column(shown), sa.column(key)
    in_bytes = sa.func.octet_length(address) if _is_postgresql() else sa.func.length(sa.cast(address, sa.LargeBinary))
    odd = (in_bytes != sa.func.length(address)) | sa.func.lower(address).contains("xn--")
    found = op.get_bind().execute(
        sa.select(sa.column("id"), address, kept_key).select_from(rows).where(kept_key.is_not(None), odd)
    ).all()  # fmt: skip
    keys = {row_id: (_key(address), kept) for row_id, address, kept in found}
    _say_odd([f"{table} {one}" for one, (new, _kept) in sorted(keys.items()) if not _is_domain(new.rpartition("@")[2])])
    return {row_id: new for row_id, (new, kept) in keys.items() if new != kept}


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _key(address: str) -> str:
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    return f"{unicodedata.normalize('NFKC', local).casefold()}{at}{'.'.join(map(_decoded, _mapped(domain).split('.')))}"


def _mapped(domain: str) -> str:
    letters = unicodedata.normalize("NFC", domain)
    mapped = "".join(_OWN_LETTERS.get(one) or unicodedata.normalize("NFKC", one).casefold() for one in letters)
    return unicodedata.normalize("NFKC", mapped).replace("。", ".")


def _decoded(label: str) -> str:
    if not label.startswith("xn--") or not label.isascii() or len(label) > 63:
        return label
    try:
        decoded = label.removeprefix("xn--").encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
    is_read = not decoded.isascii() and _mapped(decoded) == decoded and _encoded(decoded) == label
    return decoded if is_read and _is_label(decoded) else label


def _encoded(label: str) -> str:
    if label.isascii() or any("\ud800" <= letter <= "\udfff" for letter in label):
        return label
    return "xn--" + label.encode("punycode").decode("ascii")


def _is_label(label: str) -> bool:
    if not label or label[0] == "-" or label[-1] == "-" or label[2:4] == "--":
        return False
    return not unicodedata.category(label[0]).startswith("M") and all(map(_is_letter, label))


def _is_letter(letter: str) -> bool:
    if letter.isascii():
        return letter.isalnum() or letter == "-"
    shown = unicodedata.category(letter) in _LETTERS or letter in "·・"
    return shown and not any(ord(letter) in unseen for unseen in _UNSEEN)


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(labels) > 1 and all(map(_is_label, labels)) and all(len(_encoded(label)) <= 63 for label in labels)


def _say_odd(odd: list[str]) -> None:
    """Of domains that no mail goes to: their keys are those by which the program looks for them, and stop nothing."""
    if odd:
        more = f" and {len(odd) - _MOST} more" if len(odd) > _MOST else ""
        sys.stderr.write(
            f"Schema 0064: the domain of {len(odd)} addresses is none, left as it is written: {', '.join(odd[:_MOST])}{more}\n"
        )


def _require_own_addresses(folded: dict[str, str]) -> None:
    """Stop where accounts turn out to share an address: who of them keeps it is people's to say."""
    sharing: dict[str, list[str]] = {}
    for account_id, key in folded.items():
        sharing.setdefault(key, []).append(account_id)
    for key, ids in sharing.items():
        others = op.get_bind().scalars(sa.text("SELECT id FROM account WHERE email_key = :key"), {"key": key})
        ids += [one for one in others if one not in folded]
    lines = [" and ".join(sorted(ids)) for ids in sharing.values() if len(ids) > 1]
    if not lines:
        return
    # By id alone: what is printed here ends up in logs.
    more = f"\n  and {len(lines) - _MOST} more" if len(lines) > _MOST else ""
    raise CommandError(
        "Accounts share a sign-in e-mail address, its domain written once in its own letters and once in ASCII (xn--…)"
        f" ({len(lines)} addresses; accounts by id):\n  " + "\n  ".join(lines[:_MOST]) + more
        + "\nNothing was changed, and the release before goes on serving. What to do: docs/releasing.md, Schema 0064."
    )  # fmt: skip


def _write(table: str, key: str, keys: dict[str, str]) -> None:
    rows = sa.table(table, sa.column("id"), sa.column(key))
    try:
        for row_id, new in keys.items():
            op.get_bind().execute(rows.update().where(rows.c.id == row_id).values({key: new}))
    except IntegrityError:
        # Since the look a moment ago, or two that trade keys; the next try sees it.
        raise CommandError(
            "An account took one of the addresses meanwhile. Nothing was changed: migrate again."
        ) from None
