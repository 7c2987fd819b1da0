"""`flask remittances load`: what is told, and the exit status."""

from pathlib import Path

from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.models import Remittance
from tests.plan.era import Interchange, transaction


def run(app: Flask, *arguments: str) -> Result:
    result: Result = app.test_cli_runner().invoke(args=["remittances", "load", *arguments])
    return result


def test_a_folder_is_loaded_and_told_in_one_line(app: Flask, session: Session, tmp_path: Path) -> None:
    Interchange([transaction(), transaction(number="EFT2")]).write(tmp_path)

    told, again = run(app, str(tmp_path)), run(app, str(tmp_path))

    assert told.exit_code == 0, told.output
    assert "1 files: 2 transaction sets with 2 claims loaded, 0 there already, 0 refused." in told.output
    assert "2 with a payee the plan does not know" in told.output
    assert again.exit_code == 0 and "one.edi: this file was loaded before." in again.output
    assert "0 transaction sets with 0 claims loaded, 2 there already" in again.output
    assert len(session.scalars(select(Remittance)).all()) == 2


def test_what_is_refused_is_told_by_file_and_segment_and_sets_the_exit_status(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    good = Interchange().write(tmp_path, "good.edi")
    bad = Interchange([transaction(number="EFT2", amount="1")]).write(tmp_path, "bad.edi")
    (tmp_path / "picture.edi").write_bytes(b"\x89PNG")

    told = run(app, str(good), str(bad), str(tmp_path / "picture.edi"))

    assert told.exit_code == 1
    assert "bad.edi, segment 4 (BPR): the claims less the provider adjustments come to 72.50, but 1.00" in told.output
    assert "picture.edi, segment 1: it does not begin with ISA" in told.output
    assert len(session.scalars(select(Remittance)).all()) == 1


def test_warnings_can_be_left_out(app: Flask, tmp_path: Path) -> None:
    path = str(Interchange([[one for one in transaction() if not one.startswith("PER")]]).write(tmp_path))

    assert "no contact of the payer (PER) (warning)" in run(app, path).output
    assert "warning" not in run(app, "--no-warnings", path).output


def test_a_folder_without_an_835_is_told(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file\n")

    told = run(app, str(tmp_path))

    assert told.exit_code == 1 and "No 835 file there" in told.output
