"""Logos of apps in a table of their own, each under the digest of its bytes.

Until now a logo was a column of the app, as it had been sent: never read, never shown, so there is none to take over.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_logo",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_app_logo")),
    )
    with op.batch_alter_table("client") as client:
        client.drop_column("logo")
        client.add_column(sa.Column("logo_digest", sa.String(length=64), nullable=True))
        client.create_foreign_key(op.f("fk_client_logo_digest"), "app_logo", ["logo_digest"], ["digest"])


def downgrade() -> None:
    with op.batch_alter_table("client") as client:
        client.add_column(sa.Column("logo", sa.LargeBinary(), nullable=True))
    op.execute("UPDATE client SET logo = (SELECT png FROM app_logo WHERE app_logo.digest = client.logo_digest)")
    with op.batch_alter_table("client") as client:
        client.drop_constraint(op.f("fk_client_logo_digest"), type_="foreignkey")
        client.drop_column("logo_digest")
    op.drop_table("app_logo")
