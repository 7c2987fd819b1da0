"""docs/scaling.md says of every table where it lives when records are cut by member; this holds it to the schema."""

import re

from fhir.storage import partitions
from service.db import Base
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
OWNERS = {"patient_id", "member_id", "account_id", "grant_id", "family_id", "link_id"}


def listed() -> dict[str, str]:
    """The tables that the page names, with the heading of their row."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|", PAGE.partition("## Table by table")[2], re.MULTILINE)
    return {table: kind for kind, tables in rows for table in re.findall(r"`([a-z_0-9]+)`", tables)}


def test_every_table_has_its_place() -> None:
    tables = set(Base.metadata.tables)
    assert tables - set(listed()) == set(), "say in docs/scaling.md where it lives"
    assert set(listed()) - tables == set(), "there is no such table any more"


def test_what_is_cut_by_member_has_the_member_and_no_foreign_key() -> None:
    cut = {table for table, kind in listed().items() if kind == "cut by member"}
    assert cut == {table.name for table in partitions.TABLES}
    for table in partitions.TABLES:
        assert not table.foreign_keys and not table.columns[partitions.KEY].nullable
    for table in Base.metadata.sorted_tables:
        assert cut.isdisjoint(key.column.table.name for key in table.foreign_keys), f"{table.name} crosses shards"


def test_a_table_that_a_member_owns_and_that_stays_whole_has_a_reason() -> None:
    owned = {table.name for table in Base.metadata.sorted_tables if OWNERS & set(table.columns.keys())}
    kinds = listed()
    assert all(kinds[table] != "everybody's" for table in owned), "it has a member's or an account's column"
