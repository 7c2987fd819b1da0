"""Links of representatives in full: the 12th birthday, safety blocks and their review; who a representative is."""

from datetime import UTC, date, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0035"
branch_labels = None
depends_on = None

_LINK = sa.table(
    "representative_link", sa.column("id"), sa.column("representative_id"), sa.column("member_id"), sa.column("basis"),
    sa.column("narrows_at"), sa.column("ended_at"),
)  # fmt: skip
_MEMBER = sa.table("member", sa.column("id"), sa.column("birth_date", sa.Date()))
_PERSON = sa.table("personal_representative", sa.column("id"), sa.column("person_id"))


def upgrade() -> None:
    with op.batch_alter_table("personal_representative") as person:
        person.add_column(sa.Column("member_id", sa.String(length=36), nullable=True))
        person.add_column(sa.Column("person_id", sa.String(length=36), nullable=True))
        for name, length in (("address_line", 200), ("city", 100), ("state", 40), ("zip_code", 10)):
            person.add_column(sa.Column(name, sa.String(length=length), nullable=False, server_default=""))
        person.add_column(sa.Column("letter_printed_at", sa.BigInteger(), nullable=True))
        person.create_foreign_key("fk_personal_representative_member_id", "member", ["member_id"], ["id"])
        person.create_unique_constraint("uq_personal_representative_member_id", ["member_id"])
        person.create_unique_constraint("uq_personal_representative_person_id", ["person_id"])
    with op.batch_alter_table("personal_representative") as person:
        for name in ("address_line", "city", "state", "zip_code"):
            person.alter_column(name, existing_type=sa.String(), existing_nullable=False, server_default=None)
    with op.batch_alter_table("representative_link") as link:
        for name in ("narrows_at", "blocked_at", "block_reviewed_at", "adult_decided_at"):
            link.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        link.add_column(sa.Column("blocked_by_account_id", sa.String(length=36), nullable=True))
        link.add_column(sa.Column("block_reason", sa.String(length=500), nullable=False, server_default=""))
        link.create_foreign_key(
            "fk_representative_link_blocked_by_account_id", "account", ["blocked_by_account_id"], ["id"]
        )
    with op.batch_alter_table("representative_link") as link:
        link.alter_column("block_reason", existing_type=sa.String(500), existing_nullable=False, server_default=None)
    _fill(op.get_bind())


def downgrade() -> None:
    with op.batch_alter_table("representative_link") as link:
        link.drop_constraint("fk_representative_link_blocked_by_account_id", type_="foreignkey")
        for name in (
            "narrows_at", "blocked_at", "block_reviewed_at", "adult_decided_at", "blocked_by_account_id", "block_reason",
        ):  # fmt: skip
            link.drop_column(name)
    with op.batch_alter_table("personal_representative") as person:
        person.drop_constraint("uq_personal_representative_person_id", type_="unique")
        person.drop_constraint("uq_personal_representative_member_id", type_="unique")
        person.drop_constraint("fk_personal_representative_member_id", type_="foreignkey")
        for name in ("member_id", "person_id", "address_line", "city", "state", "zip_code", "letter_printed_at"):
            person.drop_column(name)


def _fill(connection: sa.Connection) -> None:
    connection.execute(sa.text(
        "UPDATE personal_representative SET member_id ="
        " (SELECT a.member_id FROM account a WHERE a.id = personal_representative.account_id)"
    ))  # fmt: skip
    parents = sa.select(_LINK.c.id, _MEMBER.c.birth_date).join(_MEMBER, _MEMBER.c.id == _LINK.c.member_id)
    for link_id, born in connection.execute(parents.where(_LINK.c.basis == "parent")).all():
        # Midnight in UTC comes before midnight in any zone of a US plan: hours too early, never too late.
        connection.execute(_LINK.update().where(_LINK.c.id == link_id).values(narrows_at=_twelfth_birthday(born)))
    members = sa.func.count(_LINK.c.member_id.distinct())
    several = sa.select(_LINK.c.representative_id).where(_LINK.c.ended_at.is_(None))
    for person_id in connection.scalars(several.group_by(_LINK.c.representative_id).having(members > 1)).all():
        connection.execute(_PERSON.update().where(_PERSON.c.id == person_id).values(person_id=str(uuid4())))


def _twelfth_birthday(born: date) -> int:
    is_leap_day = (born.month, born.day) == (2, 29)
    day = date(born.year + 12, born.month, born.day) if not is_leap_day else date(born.year + 12, 2, 28)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
