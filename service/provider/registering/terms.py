"""The terms that a login of the portal accepts, and accepts again when they change (product.md PV 3)."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.accounts.next_page import local_path
from service.plan.registering import terms
from service.plan_file import TermsText
from service.provider.gate import current_staff, require_registered
from service.web import db_session, plan

blueprint = Blueprint("provider_terms", __name__, url_prefix="/provider/terms")
_TICK = _("To go on, please read the text and tick that you accept it. If you do not accept it, sign out.")


@blueprint.route("", methods=["GET", "POST"])
@require_registered
def index() -> ResponseReturnValue:
    """What is left to accept; on POST what was ticked is kept with the very words that were shown."""
    staff, session = current_staff(), db_session()
    left = terms.outstanding(session, staff, plan().terms)
    if request.method == "POST":
        for text in [text for text in left if request.form.get(text.document) == text.version]:
            terms.accept(session, staff.account_id, text)
        still_left = terms.outstanding(session, staff, plan().terms)
        if still_left:
            return _page(still_left, {text.document: [_TICK] for text in still_left}), 400
        left = []
    if not left:
        return redirect(local_path(request.values.get("next")) or url_for("provider_home.index"), 303)
    return _page(left, {})


def _page(left: list[TermsText], errors: object) -> str:
    documents = [(text, terms.blocks_of(text.text)) for text in left]
    return render_template(
        "provider/terms.html", documents=documents, labels={text.document: text.title for text in left}, errors=errors,
        following=local_path(request.values.get("next")),
    )  # fmt: skip
