"""One sign-in address, one account: the index is unique, and an address that can be taken back is nobody else's."""

import time
import unicodedata

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy.exc import IntegrityError

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

_MOST = 20
_HALF = "ix_account_email_key_unique"
"""The new index on PostgreSQL until the older one has gone."""


def upgrade() -> None:
    _require_own_addresses()
    if op.get_context().dialect.name == "postgresql":
        _build_beside()
        op.drop_index(op.f("ix_account_email_key"), table_name="account")
        op.execute(f"ALTER INDEX {_HALF} RENAME TO ix_account_email_key")
    else:
        op.drop_index(op.f("ix_account_email_key"), table_name="account")
        op.create_index(op.f("ix_account_email_key"), "account", ["email_key"], unique=True)
    op.add_column("email_change", sa.Column("old_email_key", sa.String(length=320), nullable=True))
    op.create_index(op.f("ix_email_change_old_email_key"), "email_change", ["old_email_key"], unique=False)
    _hold_addresses()


def downgrade() -> None:
    op.drop_index(op.f("ix_email_change_old_email_key"), table_name="email_change")
    op.drop_column("email_change", "old_email_key")
    op.drop_index(op.f("ix_account_email_key"), table_name="account")
    op.create_index(op.f("ix_account_email_key"), "account", ["email_key"], unique=False)


def _require_own_addresses() -> None:
    """Stop where accounts share an address: who of them keeps it is people's to say."""
    if op.get_context().as_sql:
        return
    found = op.get_bind().execute(sa.text(
        "SELECT email_key, id FROM account WHERE email_key IN"
        " (SELECT email_key FROM account GROUP BY email_key HAVING count(*) > 1) ORDER BY email_key, created_at, id"
    )).all()  # fmt: skip
    shared: dict[str, list[str]] = {}
    for key, account_id in found:
        shared.setdefault(key, []).append(account_id)
    if not shared:
        return
    # By id alone: what is printed here ends up in logs.
    lines = [" and ".join(ids) for ids in shared.values()]
    more = f"\n  and {len(lines) - _MOST} more" if len(lines) > _MOST else ""
    raise CommandError(
        f"Accounts share a sign-in e-mail address, and each must have its own ({len(lines)} addresses; accounts by id):"
        "\n  " + "\n  ".join(lines[:_MOST]) + more
        + "\nNothing was changed, and the release before goes on serving. What to do: docs/releasing.md, Schema 0061."
    )  # fmt: skip


def _build_beside() -> None:
    """The unique index, while everybody reads and writes; half of one, left by a process that was killed, goes first."""
    try:
        with op.get_context().autocommit_block():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_HALF}")
            op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {_HALF} ON account (email_key)")
    except IntegrityError:
        # Since the look a moment ago. What is left would keep addresses apart, of which the release before knows nothing.
        with op.get_context().autocommit_block():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_HALF}")
        _require_own_addresses()
        raise


def _hold_addresses() -> None:
    """Of changes that can be taken back now, the address they would give back."""
    if op.get_context().as_sql:
        return
    standing = op.get_bind().execute(
        sa.text("SELECT id, old_email FROM email_change WHERE undo_until > :now AND spent_at IS NULL"),
        {"now": time.time_ns() // 1000},
    )
    for change_id, address in standing.all():
        op.get_bind().execute(
            sa.text("UPDATE email_change SET old_email_key = :key WHERE id = :id"),
            {"id": change_id, "key": unicodedata.normalize("NFKC", address.strip()).casefold()},
        )
