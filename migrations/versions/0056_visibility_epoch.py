"""What a replica must know before it may answer: the last change that took a resource out of somebody's sight."""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

NARROWED = """
    ({old}.patient_id, {old}.provider_id, {old}.deleted, {old}.category, {old}.sort_date) IS DISTINCT FROM
    (NEW.patient_id, NEW.provider_id, NEW.deleted, NEW.category, NEW.sort_date) OR NOT NEW.labels <@ {old}.labels
"""
DRAW = """
    INSERT INTO visibility_epoch AS held (id, epoch, changed_by)
    VALUES (1, gen_random_uuid(), pg_current_xact_id()) ON CONFLICT (id) DO UPDATE
    SET epoch = excluded.epoch, changed_by = excluded.changed_by WHERE held.changed_by <> excluded.changed_by;
"""
TRIGGERS = {"resource_narrowed": "resource", "resource_version_narrowed": "resource_version",
            "resource_replaced": "resource"}  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "visibility_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(length=36), nullable=False),
        sa.Column("changed_by", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visibility_epoch")),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        f"CREATE OR REPLACE FUNCTION narrow_visibility() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {DRAW} RETURN NULL; END $$"
    )
    for table in ("resource", "resource_version"):
        op.execute(
            f"CREATE TRIGGER {table}_narrowed AFTER UPDATE ON {table} FOR EACH ROW"
            f" WHEN ({NARROWED.format(old='OLD')}) EXECUTE FUNCTION narrow_visibility()"
        )
    op.execute(
        f"CREATE OR REPLACE FUNCTION compare_visibility() RETURNS trigger LANGUAGE plpgsql AS"  # noqa: S608
        f" $$ DECLARE former resource_version; BEGIN SELECT * INTO former FROM resource_version"
        f" WHERE type = NEW.type AND id = NEW.id AND version = NEW.version - 1;"
        f" IF NOT FOUND OR {NARROWED.format(old='former')} THEN {DRAW} END IF; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER resource_replaced AFTER INSERT ON resource FOR EACH ROW"
        " WHEN (NEW.version > 1) EXECUTE FUNCTION compare_visibility()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for trigger, table in TRIGGERS.items():
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute("DROP FUNCTION compare_visibility()")
        op.execute("DROP FUNCTION narrow_visibility()")
    op.drop_table("visibility_epoch")
