"""What an administrator reads before a program is let in, or proves itself otherwise: its reach, and its keys."""

import json
from collections.abc import Mapping
from typing import Any

from oauth.apps import public_keys
from oauth.apps.public_keys import Published
from oauth.apps.registration import Registration
from oauth.models import BackendBasis, Client
from service.plan.models import PortalOrganization

_EVERYBODY = "Every member of the plan, without asking them; copies in bulk, too."
_BOUND = "Each is bound to a key that it proves at every request (DPoP)."
_TOKENS = "It may ask about the tokens of every app (introspection)."


def of_registration(
    app: Registration, office: PortalOrganization | None, published: Published | None
) -> list[dict[str, str]]:
    """A program that is asked for, as {"what", "before", "after"}."""
    answers = f"{app.developer_name} ({app.contact})" if app.contact else app.developer_name
    keys = of_keys(app.jwks, app.jwks_uri, published.jwks if published else None)
    said = {
        f"Program {app.name}": f"registered, with the client_id {app.client_id}",
        "Who answers for it": answers,
        "What it may do": app.scopes,
        "With whose data, without their yes": _reach(app.backend_basis, office, may_introspect=app.may_introspect),
        "What it proves itself by": keys,
    }
    if app.dpop_bound_access_tokens:
        said["Its tokens"] = _BOUND
    return [{"what": what, "before": "", "after": after} for what, after in said.items()]


def about(client: Client, office: PortalOrganization | None) -> str:
    """A program that stands, in a line."""
    reach = _reach(client.backend_basis, office, may_introspect=client.may_introspect).replace("\n", " ")
    return f"{client.id}: {client.scopes}. {reach}"


def of_keys(
    jwks: Mapping[str, Any] | None, jwks_uri: str | None, fetched: Mapping[str, Any] | None
) -> str:  # fmt: skip
    """Public keys by name and thumbprint (RFC 7638), a line each; those `fetched` from an address under it."""
    if jwks_uri is None:
        return _listed(jwks)
    return f"{jwks_uri}: whatever stands there. Read last:\n{_listed(fetched)}"


def _listed(jwks: Mapping[str, Any] | None) -> str:
    keys = public_keys.read(jwks) if jwks else {}
    # A kid may hold anything: quoted, it is one line and none of ours.
    return (
        "\n".join(f"{json.dumps(kid)}: {key.key_type}, {key.thumbprint()}" for (kid, _), key in keys.items()) or "none"
    )


def _reach(basis: BackendBasis | None, office: PortalOrganization | None, *, may_introspect: bool) -> str:
    of_basis = _EVERYBODY if basis is BackendBasis.PLAN else ""
    if office is not None:
        of_basis = f"Whom the logins of {office.name} (Tax ID {office.tax_id}) reach."
    return "\n".join(filter(None, (of_basis, _TOKENS if may_introspect else "")))
