"""Keys of apps, backend clients with their tokens, and key sets read from other servers."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("client") as client:
        client.add_column(sa.Column("jwks", sa.JSON(none_as_null=True), nullable=True))
        client.add_column(sa.Column("jwks_uri", sa.String(length=2000), nullable=True))
        client.add_column(sa.Column("backend_basis", sa.String(length=32), nullable=True))
        client.add_column(sa.Column("provider_organization_id", sa.String(length=36), nullable=True))
        client.create_foreign_key(
            op.f("fk_client_provider_organization_id"), "portal_organization", ["provider_organization_id"], ["id"]
        )
    op.create_table(
        "system_token",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_system_token_client_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_system_token")),
    )
    op.create_index(op.f("ix_system_token_client_id"), "system_token", ["client_id"])
    op.create_index(op.f("ix_system_token_expires_at"), "system_token", ["expires_at"])
    op.create_table(
        "fetched_key_set",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.Column("fresh_until", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_fetched_key_set_client_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_fetched_key_set")),
    )


def downgrade() -> None:
    op.drop_table("fetched_key_set")
    op.drop_table("system_token")
    # Who proves itself by a key has no other way to, and the words are unknown to what stood before: nobody gets in.
    op.execute(
        "UPDATE client SET status = 'retired', kind = 'confidential',"
        " token_endpoint_auth_method = 'client_secret_basic' WHERE token_endpoint_auth_method = 'private_key_jwt'"
    )
    with op.batch_alter_table("client") as client:
        client.drop_constraint(op.f("fk_client_provider_organization_id"), type_="foreignkey")
        client.drop_column("provider_organization_id")
        client.drop_column("backend_basis")
        client.drop_column("jwks_uri")
        client.drop_column("jwks")
