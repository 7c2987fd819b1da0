"""In which form an answer is wanted, and how strictly a search is to be handled (FHIR R4, http)."""

from enum import StrEnum
from functools import lru_cache

from werkzeug.wrappers import Request

from fhir.outcomes import NotAcceptable

_FHIR_JSON = "application/fhir+json"
_PLAIN_JSON = "application/json"
_OLD_JSON = "application/json+fhir"
_FORMATS = {
    "json": _FHIR_JSON,
    "application/json": _PLAIN_JSON,
    "text/json": _PLAIN_JSON,
    "application/fhir+json": _FHIR_JSON,
    # Of DSTU2; some clients never changed it.
    "application/json+fhir": _OLD_JSON,
    # A plus that was not encoded arrives as a space.
    "application/fhir json": _FHIR_JSON,
    "application/json fhir": _OLD_JSON,
}
_ANYTHING = frozenset({"*/*", "application/*"})
_VERSIONS = frozenset({"4.0", "4.0.1"})
JSON_BODIES = frozenset({_FHIR_JSON, _PLAIN_JSON, _OLD_JSON})
"""Media types of a body that is a resource."""


class Handling(StrEnum):
    """What to do about parameters that are not supported."""

    STRICT = "strict"
    LENIENT = "lenient"


def content_type(request: Request) -> str:
    """The Content-Type to answer with; raises NotAcceptable."""
    accepted = request.environ.get("HTTP_ACCEPT", "")
    if not request.query_string and request.method != "POST":
        return _accepted(accepted)
    version = request.args.get("fhirVersion")
    if version is not None and version not in _VERSIONS:
        raise NotAcceptable
    is_form = request.mimetype == "application/x-www-form-urlencoded"
    given = request.args.get("_format") or (request.form.get("_format") if is_form else None)
    return _formatted(given) if given else _accepted(accepted)


def handling(request: Request) -> Handling | None:
    """The handling the client prefers, None when it says nothing."""
    if "HTTP_PREFER" not in request.environ:
        return None
    for preference in ",".join(request.headers.getlist("Prefer")).replace(";", ",").split(","):
        name, _, value = preference.strip().partition("=")
        wanted = value.strip('" ')
        if name.strip().lower() == "handling" and wanted in Handling.__members__.values():
            return Handling(wanted)
    return None


def responds_async(request: Request) -> bool:
    """Whether the client asks for an answer in the background (RFC 7240)."""
    given = ",".join(request.headers.getlist("Prefer")).replace(";", ",").split(",")
    return "respond-async" in {preference.strip().lower() for preference in given}


def _formatted(given: str) -> str:
    found = _FORMATS.get(given.partition(";")[0].strip().lower())
    if found is None:
        raise NotAcceptable
    return f"{found}; charset=UTF-8"


@lru_cache(maxsize=256)
def _accepted(accepted: str) -> str:
    offers = [_offer(part) for part in accepted.split(",")] if accepted.strip() else [(1.0, _FHIR_JSON)]
    acceptable = sorted((offer for offer in offers if offer[1]), key=lambda offer: -offer[0])
    if not acceptable:
        raise NotAcceptable
    return f"{acceptable[0][1]}; charset=UTF-8"


def _offer(part: str) -> tuple[float, str]:
    """Quality and what we would answer with, empty for what we cannot."""
    media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            quality = _quality(value)
        elif name == "fhirversion" and value not in _VERSIONS:
            return 0.0, ""
    found = _FHIR_JSON if media_type in _ANYTHING else _FORMATS.get(media_type, "") if "/" in media_type else ""
    return quality, found if quality > 0 else ""


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
