"""Which API an app means: ours, and no other. `aud` is SMART's name for it, `resource` that of RFC 8707 (OA-51)."""

from collections.abc import Mapping

from oauth.errors import InvalidRequest, InvalidTarget
from oauth.trials.checks import Check, because
from service.settings import Settings


def require_ours(given: Mapping[str, str], settings: Settings) -> None:
    """Raise InvalidRequest unless `aud` is our FHIR base, which `resource` may name instead; InvalidTarget where that
    names another. Both may come, and then both have to be ours (SMART-17).
    """
    require_no_other(given, settings)
    if given.get("aud", given.get("resource")) not in _ours(settings):
        raise because(Check.AUD, InvalidRequest())


def require_no_other(given: Mapping[str, str], settings: Settings) -> None:
    """Raise InvalidTarget for a `resource` that is not ours; none is ours too (RFC 8707 §2.2)."""
    if "resource" in given and given["resource"] not in _ours(settings):
        raise because(Check.AUD, InvalidTarget())


def _ours(settings: Settings) -> tuple[str, str]:
    return settings.fhir_base, f"{settings.fhir_base}/"
