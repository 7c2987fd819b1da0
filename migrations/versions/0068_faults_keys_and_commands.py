"""How often each of the worker's jobs broke, and the last time of it; acts asked for by a command, without an account;
which refresh tokens were given to who had proven a key."""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0066"
branch_labels = None
depends_on = None

_OF_JOBS = ("failures_in_row", "failures", "failed_at", "problem", "reference")


def upgrade() -> None:
    for name in _OF_JOBS[:2]:
        op.add_column("job_lease", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("job_lease", sa.Column("failed_at", sa.BigInteger(), nullable=True))
    op.add_column("job_lease", sa.Column("problem", sa.String(length=100), nullable=True))
    op.add_column("job_lease", sa.Column("reference", sa.String(length=36), nullable=True))
    op.add_column("refresh_token", sa.Column("key_bound", sa.Boolean(), nullable=True))
    with op.batch_alter_table("pending_act") as batch:
        batch.alter_column("asked_by_account_id", existing_type=sa.String(length=36), nullable=True)


def downgrade() -> None:
    # What a command asked for is nobody's for the release before.
    op.execute("DELETE FROM pending_act WHERE asked_by_account_id IS NULL")
    with op.batch_alter_table("pending_act") as batch:
        batch.alter_column("asked_by_account_id", existing_type=sa.String(length=36), nullable=False)
    op.drop_column("refresh_token", "key_bound")
    with op.batch_alter_table("job_lease") as batch:
        for name in reversed(_OF_JOBS):
            batch.drop_column(name)
