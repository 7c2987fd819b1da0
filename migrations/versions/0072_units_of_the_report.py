"""By which contract, plan or issuer members are reported to CMS: on the roster, what it was before, in each transfer."""

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("member", sa.Column("report_unit", sa.String(length=40), nullable=False, server_default=""))
    op.create_table(
        "former_unit",
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("line_of_business", sa.String(length=40), nullable=False),
        sa.Column("report_unit", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_former_unit_member_id_member")),
        sa.PrimaryKeyConstraint("member_id", "until", name=op.f("pk_former_unit")),
    )
    # Of what is counted nobody knows it any more, so that it stays empty there.
    op.add_column("api_transfer", sa.Column("report_unit", sa.String(length=40), nullable=True))


def downgrade() -> None:
    op.drop_column("api_transfer", "report_unit")
    op.drop_table("former_unit")
    op.drop_column("member", "report_unit")
