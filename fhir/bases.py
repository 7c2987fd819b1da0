"""What the bases over FHIR have alike: errors are OperationOutcomes, addresses canonical, searches heavy."""

from collections.abc import Callable, Iterable

from flask import Blueprint, Flask, Response

from fhir import interactions
from fhir.answers import responses
from fhir.interactions import METHODS, Address
from fhir.outcomes import NotFound
from service import web
from service.door import overload

Deed = Callable[..., Response]
"""What answers one interaction: the parts of the address by name in, the response out."""


def own(base_url: str) -> tuple[str, ...]:
    """The addresses of all of them."""
    return tuple(f"{base_url}{prefix}" for prefix in ("/fhir/r4", "/plan/fhir/r4", "/directory/fhir/r4"))


def install(app: Flask, prefix: str) -> None:
    """Answer HTTP errors below a base that is searched by OperationOutcome, and know what is heavy there."""
    web.render_errors_under(app, prefix, responses.of_http_error)
    overload.heavy_under(app, prefix, interactions.is_heavy)


def offer(blueprint: Blueprint, addresses: Iterable[Address], view_of: Callable[[Address], Deed]) -> None:
    """Have each address answered by its view, whatever the method, and every other path told that nothing is there."""
    _add(blueprint, "/<path:rest>", "nowhere", _nowhere)
    for address in addresses:
        _add(blueprint, address.rule, address.endpoint, view_of(address))


def _add(blueprint: Blueprint, rule: str, endpoint: str, view: Deed) -> None:
    # No doubled or trailing slash leads anywhere.
    blueprint.add_url_rule(
        rule, endpoint, view, methods=METHODS, provide_automatic_options=False, merge_slashes=False,
        strict_slashes=True,
    )  # fmt: skip


def _nowhere(rest: str = "") -> Response:
    return responses.of_problem(NotFound("There is nothing at this address."))
