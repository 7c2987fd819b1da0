"""What consent pages said, each page once (append-only): the words that decisions name by a digest."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent_page",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_consent_page")),
    )
    if op.get_context().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER consent_page_no_{action.lower()} BEFORE {action} ON consent_page "
                "BEGIN SELECT RAISE(ABORT, 'consent_page is append-only'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER consent_page_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_page "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_table("consent_page")
