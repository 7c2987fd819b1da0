"""App developers, their organisations, and the review that each version of an app goes through.

Every app that is there gets a first version that stands as the app stood.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_STATES = (
    "draft", "submitted", "more_information", "declined", "approved", "suspended", "retired", "replaced", "dropped",
)  # fmt: skip
_STEPS = (
    "register", "change", "submit", "withdraw", "ask", "answer", "decline", "appeal", "approve", "suspend", "reinstate",
    "retire", "replace", "drop",
)  # fmt: skip
_REASONS = (
    "security_risk", "poses_as_another", "address_not_yours", "description_untrue", "pages_missing", "no_answer",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "developer_organization",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("website", sa.String(length=2000), nullable=False),
        sa.Column("domain", sa.String(length=253), nullable=True),
        sa.Column("terms_version", sa.String(length=40), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.Column("disabled_reason", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_developer_organization")),
    )
    op.create_table(
        "developer",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_developer_account_id")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["developer_organization.id"], name=op.f("fk_developer_organization_id")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_developer")),
    )
    op.create_index(op.f("ix_developer_organization_id"), "developer", ["organization_id"], unique=False)
    op.create_table(
        "pending_developer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("browser_id", sa.String(length=64), nullable=False),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("organization_name", sa.String(length=200), nullable=False),
        sa.Column("website", sa.String(length=2000), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("terms_version", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_developer")),
    )
    op.create_index(op.f("ix_pending_developer_browser_id"), "pending_developer", ["browser_id"], unique=False)
    op.create_index(op.f("ix_pending_developer_expires_at"), "pending_developer", ["expires_at"], unique=False)
    with op.batch_alter_table("client") as client:
        client.add_column(sa.Column("organization_id", sa.String(length=36), nullable=True))
        client.add_column(sa.Column("description", sa.Text(), nullable=False, server_default=""))
        client.add_column(sa.Column("platforms", sa.JSON(), nullable=False, server_default="[]"))
        client.add_column(sa.Column("scope_reasons", sa.JSON(), nullable=False, server_default="{}"))
        client.create_foreign_key(
            op.f("fk_client_organization_id"), "developer_organization", ["organization_id"], ["id"]
        )
        client.create_index(op.f("ix_client_organization_id"), ["organization_id"], unique=False)
    _create_reviews()
    _review_what_is_there()


def downgrade() -> None:
    op.drop_table("app_review_event")
    op.drop_table("app_review")
    op.execute("UPDATE client SET status = 'suspended' WHERE status = 'pending'")
    with op.batch_alter_table("client") as client:
        client.drop_index(op.f("ix_client_organization_id"))
        client.drop_constraint(op.f("fk_client_organization_id"), type_="foreignkey")
        for column in ("scope_reasons", "platforms", "description", "organization_id"):
            client.drop_column(column)
    op.drop_table("pending_developer")
    op.drop_table("developer")
    op.drop_table("developer_organization")
    op.execute("DELETE FROM pending_act WHERE kind = 'app_approval'")


def _create_reviews() -> None:
    op.create_table(
        "app_review",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Enum(*_STATES, name="reviewstate", native_enum=False, length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column(
            "decline_reason", sa.Enum(*_REASONS, name="declinereason", native_enum=False, length=32), nullable=True
        ),
        sa.Column("submitted_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("appealed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_app_review_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_review")),
        sa.UniqueConstraint("client_id", "number", name=op.f("uq_app_review_client_id_number")),
    )
    op.create_index(op.f("ix_app_review_state"), "app_review", ["state"], unique=False)
    op.create_table(
        "app_review_event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("review_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.Enum(*_STEPS, name="reviewstep", native_enum=False, length=32), nullable=False),
        sa.Column("state", sa.Enum(*_STATES, name="reviewstate", native_enum=False, length=32), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_app_review_event_account_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_app_review_event_client_id")),
        sa.ForeignKeyConstraint(["review_id"], ["app_review.id"], name=op.f("fk_app_review_event_review_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_review_event")),
    )
    op.create_index(op.f("ix_app_review_event_client_id"), "app_review_event", ["client_id"], unique=False)


def _review_what_is_there() -> None:
    told = ("name", "redirect_uris", "launch_uris", "scopes", "logo_digest", "website", "policy_uri", "terms_uri")
    lists = ("redirect_uris", "launch_uris")
    client = sa.table(
        "client", sa.column("id"), sa.column("status"), sa.column("created_at"),
        *(sa.column(name, sa.JSON() if name in lists else sa.String()) for name in told),
    )  # fmt: skip
    review = sa.table(
        "app_review", *(sa.column(name) for name in ("id", "client_id", "number", "state", "revision", "created_at")),
        sa.column("content", sa.JSON()),
    )  # fmt: skip
    connection = op.get_bind()
    rows = [
        {
            "id": str(uuid4()), "client_id": row["id"], "number": 1, "state": row["status"], "revision": 1,
            "created_at": row["created_at"], "content": {name: row[name] for name in told} | {"scope_reasons": {}},
        }
        for row in connection.execute(sa.select(client)).mappings()
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(review), rows)
