"""The frame of developers' pages: who is signed in, and the few places there are."""

from typing import Any

from flask import Blueprint

from service.developer.gate import find_current

blueprint = Blueprint("developer_layout", __name__)


@blueprint.app_context_processor
def _frame() -> dict[str, Any]:
    return {"current_developer": find_current}
