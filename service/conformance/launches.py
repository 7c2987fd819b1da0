"""The launches that several sections look at. Each app asks for one set of scopes, so that no launch ends another."""

from collections.abc import Callable
from typing import Any

from service.conformance.client_app import App
from service.conformance.launch import Launch
from service.conformance.sandbox_file import ASYMMETRIC, BASIC, POST, PUBLIC
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered

IDENTITY = "openid fhirUser launch/patient offline_access"
CARIN_TYPES = ("ExplanationOfBenefit", "Coverage", "Patient", "Organization", "Practitioner")
Maker = Callable[[Trial], Launch]


def public(trial: Trial) -> Launch:
    """An app without a secret, by GET."""
    return _once(trial, PUBLIC, "client-public", f"{IDENTITY} {every_type(trial)}")


def posted(trial: Trial) -> Launch:
    """The same app and scopes, the authorization request sent as a form."""
    trial.require("authorize-post")
    public(trial)
    asked = f"{IDENTITY} {every_type(trial)}"
    return trial.once("posted", lambda: trial.connect(trial.app(PUBLIC), asked, by_post=True))


def symmetric(trial: Trial) -> Launch:
    """An app with a secret by HTTP Basic, asking for what CARIN names, as version 1 scopes where they are offered."""
    return _once(trial, BASIC, "client-confidential-symmetric", f"{IDENTITY} {carin_scopes(trial)}")


def asymmetric(trial: Trial) -> Launch:
    """An app that signs its authentication."""
    return _once(trial, ASYMMETRIC, "client-confidential-asymmetric", f"{IDENTITY} {every_type(trial)}")


def full(trial: Trial) -> Launch:
    """Every type that can be searched by patient, each named, by the second app."""
    app = second_app(trial)
    scopes = " ".join(f"patient/{name}.rs" for name in searchable_types(trial))
    return trial.once(POST, lambda: trial.connect(app, f"{IDENTITY} {scopes}"))


def alone(trial: Trial, scope: str, **given: Any) -> Launch:
    """A connection of the second app for one check. It ends the app's others, since a narrower yes ends wider ones."""
    app = second_app(trial)
    trial.forget(POST)
    return trial.connect(app, scope, **given)


def second_app(trial: Trial) -> App:
    """An app with its secret in the form, for all that asks for other scopes each time; raises NotOffered."""
    for capability in ("launch-standalone", "permission-v2", "client-confidential-symmetric"):
        trial.require(capability)
    if POST not in trial.listed("token_endpoint_auth_methods_supported"):
        raise NotOffered(f"token_endpoint_auth_methods_supported lacks {POST}")
    return trial.app(POST)


def every_type(trial: Trial) -> str:
    """The scope for all of a patient's records, in the newest form offered."""
    return "patient/*.rs" if "permission-v2" in trial.listed("capabilities") else "patient/*.read"


def carin_scopes(trial: Trial) -> str:
    """The scopes that CARIN Blue Button makes mandatory."""
    suffix = "read" if "permission-v1" in trial.listed("capabilities") else "rs"
    contexts = [name for name in ("patient", "user") if f"permission-{name}" in trial.listed("capabilities")]
    return " ".join(f"{context}/{name}.{suffix}" for context in contexts for name in CARIN_TYPES)


def searchable_types(trial: Trial) -> list[str]:
    """The types that the API searches by `patient`, Patient itself first, as far as a scope is offered for them."""
    offered = trial.listed("scopes_supported")
    rest = trial.capability_statement.get("rest", [{}])[0]
    by_patient = [
        resource["type"]
        for resource in rest.get("resource", ())
        if any(parameter.get("name") == "patient" for parameter in resource.get("searchParam", ()))
    ]
    return [name for name in ("Patient", *by_patient) if f"patient/{name}.rs" in offered]


def _once(trial: Trial, method: str, capability: str, scope: str) -> Launch:
    trial.require("launch-standalone")
    trial.require(capability)
    return trial.once(method, lambda: trial.connect(trial.app(method), scope))
