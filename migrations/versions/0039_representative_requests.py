"""Requests that somebody act for a member, their steps, and the files that prove it."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_STATES = ("waiting", "asked_back", "linked", "refused", "withdrawn")
_BASES = ("parent", "guardian", "power_of_attorney", "conservator", "executor", "permission")
_SCOPES = ("all", "claims_only", "without_sensitive", "claims_without_sensitive")
_REFUSALS = ("evidence", "not_matched", "not_covered", "no_answer", "protection")
_STEPS = (
    "submitted", "matched", "checked", "asked", "answered", "proposed", "linked", "refused", "withdrawn",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "representative_request",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.Enum(*_STATES, name="requeststate", native_enum=False, length=32), nullable=False),
        sa.Column(
            "channel", sa.Enum("online", "paper", name="requestchannel", native_enum=False, length=32), nullable=False
        ),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("entered_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("for_oneself", sa.Boolean(), nullable=False),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("address_line", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("state_code", sa.String(length=40), nullable=False),
        sa.Column("zip_code", sa.String(length=10), nullable=False),
        sa.Column("member_number", sa.String(length=40), nullable=False),
        sa.Column("member_family_name", sa.String(length=100), nullable=False),
        sa.Column("member_birth_date", sa.Date(), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=True),
        sa.Column("basis", sa.Enum(*_BASES, name="basis", native_enum=False, length=32), nullable=False),
        sa.Column("scope", sa.Enum(*_SCOPES, name="linkscope", native_enum=False, length=32), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("explanation", sa.String(length=1000), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("refusal", sa.Enum(*_REFUSALS, name="refusalreason", native_enum=False, length=32), nullable=True),
        sa.Column("representative_id", sa.String(length=36), nullable=True),
        sa.Column("link_id", sa.String(length=36), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_representative_request_account_id")),
        sa.ForeignKeyConstraint(
            ["entered_by_account_id"], ["account.id"], name=op.f("fk_representative_request_entered_by_account_id")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_representative_request_member_id")),
        sa.ForeignKeyConstraint(
            ["representative_id"], ["personal_representative.id"],
            name=op.f("fk_representative_request_representative_id"),
        ),
        sa.ForeignKeyConstraint(
            ["link_id"], ["representative_link.id"], name=op.f("fk_representative_request_link_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_representative_request")),
    )  # fmt: skip
    op.create_index("ix_representative_request_state_asked_at", "representative_request", ["state", "asked_at"])
    op.create_index(op.f("ix_representative_request_account_id"), "representative_request", ["account_id"])
    op.create_index(op.f("ix_representative_request_member_id"), "representative_request", ["member_id"])
    op.create_table(
        "representative_request_event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Enum(*_STEPS, name="requeststep", native_enum=False, length=32), nullable=False),
        sa.Column("words", sa.String(length=2000), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("from_plan", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["representative_request.id"], name=op.f("fk_representative_request_event_request_id")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_representative_request_event_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_representative_request_event")),
    )
    op.create_index(op.f("ix_representative_request_event_request_id"), "representative_request_event", ["request_id"])
    op.create_table(
        "representative_evidence",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("added_by_account_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["representative_request.id"], name=op.f("fk_representative_evidence_request_id")
        ),
        sa.ForeignKeyConstraint(
            ["added_by_account_id"], ["account.id"], name=op.f("fk_representative_evidence_added_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_representative_evidence")),
    )
    op.create_index(op.f("ix_representative_evidence_request_id"), "representative_evidence", ["request_id"])


def downgrade() -> None:
    op.drop_table("representative_evidence")
    op.drop_table("representative_request_event")
    op.drop_table("representative_request")
