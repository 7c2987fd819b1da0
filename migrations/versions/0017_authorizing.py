"""Requests sent ahead, launches from the portal, tokens bound to a key or to a sign-in, addresses after signing out.

What is in use keeps its meaning: no app is asked for more than before, and every token stays a bearer token.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

_FLAGS = {
    "client": (("require_pushed_authorization_requests", sa.false()), ("dpop_bound_access_tokens", sa.false())),
    "pending_authorization": (("need_patient_banner", sa.true()),),
    "authorization_code": (("need_patient_banner", sa.true()),),
    "token_family": (("need_patient_banner", sa.true()),),
}
_TEXTS = {
    "pending_authorization": (("launched_member_id", 36), ("launched_in", 36), ("dpop_jkt", 43)),
    "authorization_code": (("login_session_id", 36), ("dpop_jkt", 43)),
    "token_family": (("login_session_id", 36), ("dpop_jkt", 43)),
    "access_token": (("dpop_jkt", 43),),
}
_LAUNCHED = "fk_pending_authorization_launched_member_id"


def upgrade() -> None:
    _add_tables()
    for table, flags in _FLAGS.items():
        with op.batch_alter_table(table) as altered:
            for name, value in flags:
                altered.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=value))
    for table, texts in _TEXTS.items():
        with op.batch_alter_table(table) as altered:
            for name, length in texts:
                altered.add_column(sa.Column(name, sa.String(length=length), nullable=True))
    with op.batch_alter_table("client") as client:
        client.add_column(sa.Column("post_logout_redirect_uris", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("pending_authorization") as pending:
        pending.create_foreign_key(op.f(_LAUNCHED), "member", ["launched_member_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("pending_authorization") as pending:
        pending.drop_constraint(op.f(_LAUNCHED), type_="foreignkey")
    with op.batch_alter_table("client") as client:
        client.drop_column("post_logout_redirect_uris")
    for added in (_TEXTS, _FLAGS):
        for table, columns in added.items():
            with op.batch_alter_table(table) as altered:
                for name, _ in columns:
                    altered.drop_column(name)
    op.drop_table("pushed_request")
    op.drop_table("launch_handle")


def _add_tables() -> None:
    op.create_table(
        "launch_handle",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("login_session_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("need_patient_banner", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_launch_handle_client_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_launch_handle_account_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_launch_handle_member_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_launch_handle")),
    )
    op.create_index(op.f("ix_launch_handle_expires_at"), "launch_handle", ["expires_at"])
    op.create_table(
        "pushed_request",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_pushed_request_client_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_pushed_request")),
    )
    op.create_index(op.f("ix_pushed_request_expires_at"), "pushed_request", ["expires_at"])
