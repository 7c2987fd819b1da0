"""The audit in one chain: a seal for each event, stubs of purges, how far the sealer came; rows go by a purge only."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEPT = {
    "audit_event": "SELECT 1 FROM audit_seal s JOIN audit_purge p ON s.position <= p.through_position"
    " WHERE s.event_id = OLD.id",
    "audit_seal": "SELECT 1 FROM audit_purge p WHERE OLD.position <= p.through_position",
}


def upgrade() -> None:
    op.create_table(
        "audit_seal",
        sa.Column("position", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_seal")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_seal_event_id")),
        sa.UniqueConstraint("prev", name=op.f("uq_audit_seal_prev")),
    )
    op.create_table(
        "audit_purge",
        sa.Column("through_position", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("from_position", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("through_position", name=op.f("pk_audit_purge")),
    )
    op.create_table(
        "audit_sealing",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("candidate", sa.BigInteger(), nullable=False),
        sa.Column("candidate_xid", sa.BigInteger(), nullable=False),
        sa.Column("candidate_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_sealing")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def downgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for name in ("no_update", "no_delete", "append_only"):
        for table in ("audit_event", "audit_seal"):
            if on_postgresql:
                op.execute(f"DROP TRIGGER IF EXISTS {table}_{name} ON {table}")
            else:
                op.execute(f"DROP TRIGGER IF EXISTS {table}_{name}")
    op.drop_table("audit_sealing")
    op.drop_table("audit_purge")
    op.drop_table("audit_seal")
    if on_postgresql:
        op.execute("DROP FUNCTION audit_event_refuse_delete()")
        op.execute("DROP FUNCTION audit_seal_refuse_delete()")
        op.execute(
            "CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_event_no_{action.lower()} BEFORE {action} ON audit_event "
            "BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END"
        )


def _guard_sqlite() -> None:
    op.execute("DROP TRIGGER audit_event_no_delete")
    for table in ("audit_seal", "audit_purge"):
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    op.execute(
        "CREATE TRIGGER audit_purge_no_delete BEFORE DELETE ON audit_purge "
        "BEGIN SELECT RAISE(ABORT, 'audit_purge is append-only'); END"
    )
    for table, covered in _KEPT.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT EXISTS ({covered}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _guard_postgresql() -> None:
    op.execute("DROP TRIGGER audit_event_append_only ON audit_event")
    op.execute(
        "CREATE TRIGGER audit_purge_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_purge "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    for table, covered in _KEPT.items():
        op.execute(
            f"CREATE FUNCTION {table}_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NOT EXISTS ({covered}) THEN RAISE EXCEPTION '{table} is append-only'; END IF; RETURN OLD; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse_delete()"
        )
