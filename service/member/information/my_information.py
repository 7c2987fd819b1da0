"""My information: what the plan knows of the member, in plain words, with charts and the same figures as tables."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from babel.dates import get_month_names
from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from service.accounts.page_files import as_download
from service.accounts.sessions import require_login
from service.member.acting import Actor, get_actor, require_choice
from service.member.information import (
    charts,
    claims_shown,
    cost_words,
    elements,
    entries,
    measurements,
    reading,
    record_words,
)
from service.member.information.charts import Chart
from service.member.information.claims_shown import Sums
from service.member.information.cost_words import CostWords
from service.member.information.reading import NoSuchRecord
from service.member.information.sections import BY_KEY, CLAIMS, RESULTS, reached
from service.web import NotFoundPage, db_session

blueprint = Blueprint("my_information", __name__, url_prefix="/my-information")
blueprint.add_app_template_filter(elements.told_money, "told_money")
PAGE = 40
_FILE_KINDS = {
    "text/plain": "txt", "application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg", "text/html": "html",
    "application/rtf": "rtf", "text/rtf": "rtf", "application/xml": "xml", "text/xml": "xml", "image/tiff": "tif",
}  # fmt: skip
"""Files by their kind; every other one is sent as a file that no program is named for."""


@blueprint.get("")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """The parts of the record, each with how much there is."""
    actor = get_actor()
    found = reading.tallies(db_session(), actor)
    parts = [
        (section, sum(found.get(one, 0) for one in section.resource_types))
        for section in reached(reading.access_of(actor))
    ]
    return render_template("member/my_information.html", **_frame(actor), parts=parts, plain=BY_KEY)


@blueprint.get("/<any(coverage, visits, conditions, medicines, allergies, vaccines, treatments, reports, care, devices, questionnaires):key>")  # fmt: skip  # noqa: E501
@require_login
@require_choice
def section(key: str) -> ResponseReturnValue:
    """One plain list."""
    actor, wanted = get_actor(), BY_KEY[key]
    try:
        found = reading.listed(db_session(), actor, wanted)
    except NoSuchRecord:
        raise NotFoundPage from None
    # In the order of the heads, so that a head is not torn over several pages.
    every = [one for _head, some in entries.grouped(found.entries) for one in some]
    page, shown, pages = _paged(every)
    return render_template(
        "member/record_list.html", **_frame(actor), section=wanted, groups=entries.grouped(shown), more=found.more,
        page=page, pages=pages, number=len(every),
    )  # fmt: skip


@blueprint.get("/claims")
@require_login
@require_choice
def claims() -> ResponseReturnValue:
    """Costs by year and by kind of claim."""
    actor = get_actor()
    found = _claims(actor)
    years = claims_shown.by_year(found.claims)
    recent = sorted(years)[-10:]
    return render_template(
        "member/claims.html", **_frame(actor), section=CLAIMS, years=years, kinds=claims_shown.by_kind(found.claims),
        kind_name=claims_shown.kind_name, total=claims_shown.total(found.claims), more=found.more,
        number=len(found.claims), listed_years=sorted({one.day.year for one in found.claims if one.day}, reverse=True),
        undated=[one for one in found.claims if one.day is None],
        chart=_cost_chart(gettext("Costs by year"), [(str(year), years[year]) for year in recent], _costs(actor)),
    )  # fmt: skip


@blueprint.get("/claims/<int(min=1900, max=2999):year>")
@require_login
@require_choice
def claims_of_year(year: int) -> ResponseReturnValue:
    """Costs of one year by month and by kind, and its claims."""
    actor = get_actor()
    found = _claims(actor, year)
    months = claims_shown.by_month(found.claims)
    names = get_month_names("wide", locale=elements.language())
    short = get_month_names("abbreviated", locale=elements.language())
    columns = [(str(short[month]).rstrip("."), sums) for month, sums in months.items()]
    page, shown, pages = _paged(found.claims)
    return render_template(
        "member/claims_of_year.html", **_frame(actor), section=CLAIMS, year=year, months=months, month_names=names,
        kinds=claims_shown.by_kind(found.claims), kind_name=claims_shown.kind_name, more=found.more,
        total=claims_shown.total(found.claims), claims=shown, number=len(found.claims), page=page, pages=pages,
        chart=_cost_chart(gettext("Costs by month in %(year)s", year=str(year)), columns, _costs(actor)),
    )  # fmt: skip


@blueprint.get("/claims/claim/<claim_id>")
@require_login
@require_choice
def claim(claim_id: str) -> ResponseReturnValue:
    """One claim in full."""
    actor = get_actor()
    try:
        shown = reading.claim(db_session(), actor, claim_id)
    except NoSuchRecord:
        raise NotFoundPage from None
    return render_template("member/claim.html", **_frame(actor), section=CLAIMS, shown=shown, claim=shown.claim)


@blueprint.get("/results")
@require_login
@require_choice
def results() -> ResponseReturnValue:
    """The newest value of everything measured."""
    actor = get_actor()
    try:
        found = reading.results(db_session(), actor)
    except NoSuchRecord:
        raise NotFoundPage from None
    return render_template(
        "member/results.html", **_frame(actor), section=RESULTS, heads=found.results, more=found.more
    )


@blueprint.get("/results/<observation_id>")
@require_login
@require_choice
def measurement(observation_id: str) -> ResponseReturnValue:
    """One measurement over time. The address names an observation, not what it is: logs keep addresses."""
    actor = get_actor()
    try:
        found = reading.measurement(db_session(), actor, observation_id)
    except NoSuchRecord:
        raise NotFoundPage from None
    page, shown, pages = _paged(found.values)
    return render_template(
        "member/measurement.html", **_frame(actor), section=RESULTS, measurement=found, values=shown, page=page,
        pages=pages, chart=measurements.chart_of(found),
    )  # fmt: skip


@blueprint.get("/reports/<any(DiagnosticReport, DocumentReference, Media):resource_type>/<resource_id>/file")
@require_login
@require_choice
def file(resource_type: str, resource_id: str) -> ResponseReturnValue:
    """The file of a report or document, to be kept; never shown as a page of ours, whatever it holds."""
    actor = get_actor(for_file=True)
    try:
        record = reading.record_with_file(db_session(), actor, BY_KEY["reports"], resource_type, resource_id)
    except NoSuchRecord:
        raise NotFoundPage from None
    return _file(actor, entries.file_of(record))


def _file(actor: Actor, attachment: Mapping[str, Any] | None) -> Response:
    if attachment is None:
        raise NotFoundPage
    try:
        body = base64.b64decode(attachment["data"], validate=False)
    except (binascii.Error, ValueError):
        raise NotFoundPage from None
    kind = str(attachment.get("contentType") or "").partition(";")[0].strip().lower()
    ending = _FILE_KINDS.get(kind, "bin")
    content_type = kind if kind in _FILE_KINDS else "application/octet-stream"
    content_type = f"{content_type}; charset=utf-8" if kind == "text/plain" else content_type
    return as_download(actor.file_name("document", ending), content_type, body)


def _claims(actor: Actor, year: int | None = None) -> reading.Found:
    try:
        return reading.claims(db_session(), actor, year)
    except NoSuchRecord:
        raise NotFoundPage from None


def _costs(actor: Actor) -> CostWords:
    return cost_words.spoken_to(actor.choice)


def _cost_chart(title: str, columns: Sequence[tuple[str, Sums]], words: CostWords) -> Chart | None:
    if not any(sums.paid or sums.owed for _label, sums in columns):
        return None
    paid = sum((sums.paid for _label, sums in columns), Decimal())
    owed = sum((sums.owed for _label, sums in columns), Decimal())
    every = [amount for _label, sums in columns for amount in (sums.paid, sums.owed)]
    if not all(map(elements.is_plain, (paid, owed, *every))):
        return None
    told = str(words.bars) % {"paid": elements.told_money(paid), "owed": elements.told_money(owed)}
    amounts = [(label, (max(sums.paid, Decimal()), max(sums.owed, Decimal()))) for label, sums in columns]
    return charts.bars(title, told, (gettext("The plan paid"), str(words.share)), amounts, _whole_dollars)


def _whole_dollars(amount: Decimal) -> str:
    told = elements.told_number(amount.quantize(Decimal(1)) if amount == amount.to_integral() else amount)
    return f"${told}"


def _paged(every: Sequence[Any]) -> tuple[int, Sequence[Any], int]:
    """The number of the page asked for, what stands on it, how many pages there are."""
    pages = max(1, -(-len(every) // PAGE))
    asked = request.args.get("page", "1")
    page = min(int(asked), pages) if asked.isascii() and asked.isdigit() and len(asked) < 6 and int(asked) else 1
    return page, every[(page - 1) * PAGE : page * PAGE], pages


def _frame(actor: Actor) -> dict[str, Any]:
    """What every page of the record says: whose it is, and what a representative does not see."""
    link = actor.choice.link
    return {
        "member": actor.choice.member, "link_scope": link.scope_now if link else None, "most": reading.MOST,
        "words": record_words, "cost_words": _costs(actor),
    }  # fmt: skip
