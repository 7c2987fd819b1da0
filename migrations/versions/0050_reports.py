"""Reports: transfers by day and grant, days that are counted, funnels of apps, disclosures that a plan accounts for."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

_PURPOSES = (
    "required_by_law", "public_health", "abuse_or_neglect", "oversight", "court", "law_enforcement", "deceased",
    "research", "serious_threat", "government", "workers_compensation", "mistake",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("pending_authorization", sa.Column("shown_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "report_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("events_after", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_report_day")),
    )
    op.create_table(
        "api_transfer",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("plan_unit", sa.String(length=40), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("resources", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "grant_id", "member_id", name=op.f("pk_api_transfer")),
    )
    op.create_index("ix_api_transfer_member_day", "api_transfer", ["member_id", "day"])
    op.create_table(
        "funnel_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        *(
            sa.Column(step, sa.Integer(), nullable=False)
            for step in ("asked", "opened", "shown", "allowed", "denied", "exchanged", "read")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_funnel_day_client_id_client")),
        sa.PrimaryKeyConstraint("day", "client_id", name=op.f("pk_funnel_day")),
    )
    op.create_table(
        "accountable_disclosure",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("disclosed_on", sa.Date(), nullable=False),
        sa.Column("recipient", sa.String(length=200), nullable=False),
        sa.Column("recipient_address", sa.String(length=300), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=False),
        sa.Column(
            "purpose", sa.Enum(*_PURPOSES, name="disclosurepurpose", native_enum=False, length=32), nullable=False
        ),
        sa.Column("basis", sa.String(length=1000), nullable=False),
        sa.Column("corrects_id", sa.String(length=36), nullable=True),
        sa.Column("recorded_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_accountable_disclosure_member_id_member")),
        sa.ForeignKeyConstraint(
            ["corrects_id"], ["accountable_disclosure.id"],
            name=op.f("fk_accountable_disclosure_corrects_id_accountable_disclosure"),
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by_account_id"], ["account.id"],
            name=op.f("fk_accountable_disclosure_recorded_by_account_id_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accountable_disclosure")),
        sa.UniqueConstraint("corrects_id", name=op.f("uq_accountable_disclosure_corrects_id")),
    )  # fmt: skip
    op.create_index("ix_accountable_disclosure_member", "accountable_disclosure", ["member_id", "disclosed_on"])
    _append_only("api_transfer")
    _append_only("accountable_disclosure")


def downgrade() -> None:
    op.drop_table("accountable_disclosure")
    op.drop_table("funnel_day")
    op.drop_table("api_transfer")
    op.drop_table("report_day")
    op.drop_column("pending_authorization", "shown_at")


def _append_only(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
