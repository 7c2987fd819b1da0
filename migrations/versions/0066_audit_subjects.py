"""Whom an event of the audit is about beside the one member of its row; whose records a file of an export holds."""

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None

_KEPT = (
    "SELECT 1 FROM audit_seal s JOIN audit_purge p ON s.position <= p.through_position WHERE s.event_id = OLD.event_id"
)
_SENTENCE = "audit_subject is append-only"


def upgrade() -> None:
    op.create_table(
        "audit_subject",
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_type", sa.String(length=40), nullable=False),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("member_id", "event_id", "resource_type", name=op.f("pk_audit_subject")),
    )
    op.create_index("ix_audit_subject_event_id", "audit_subject", ["event_id"])
    op.add_column("bulk_file", sa.Column("members", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("bulk_file", sa.Column("told_at", sa.BigInteger(), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER audit_subject_no_update BEFORE UPDATE ON audit_subject "
            f"BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END"
        )
        op.execute(
            f"CREATE TRIGGER audit_subject_no_delete BEFORE DELETE ON audit_subject WHEN NOT EXISTS ({_KEPT}) "
            f"BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION audit_subject_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NOT EXISTS ({_KEPT}) THEN RAISE EXCEPTION '{_SENTENCE}'; END IF; RETURN OLD; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_subject_append_only BEFORE UPDATE OR TRUNCATE ON audit_subject "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER audit_subject_no_delete BEFORE DELETE ON audit_subject "
        "FOR EACH ROW EXECUTE FUNCTION audit_subject_refuse_delete()"
    )


def downgrade() -> None:
    op.drop_column("bulk_file", "told_at")
    op.drop_column("bulk_file", "members")
    op.drop_table("audit_subject")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_subject_refuse_delete()")
