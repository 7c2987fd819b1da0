"""Porch Notes: a small SMART app for whoever tries the sandbox. It knows nothing of us but the FHIR base URL.

It runs on another origin than the plan's pages where that is possible, in plain JavaScript, as an app of somebody else.
"""

from urllib.parse import urlsplit

from flask import Blueprint, Flask, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.sandbox.sample_apps import DEMO_ID, DEMO_PATH, demo_address
from service.web import settings

pages = Blueprint("demo_app", __name__)
SCOPES = (
    "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Coverage.rs "
    "patient/ExplanationOfBenefit.rs patient/Condition.rs patient/Observation.rs patient/MedicationRequest.rs"
)


def install(app: Flask) -> None:
    """Add the page, in the sandbox only."""
    if app.extensions["latchstring"].settings.sandbox:
        app.register_blueprint(pages)


@pages.get(DEMO_PATH)
def page() -> ResponseReturnValue:
    """The app's only page; also where the authorization server sends the person back."""
    home = demo_address(settings())
    if request.host != urlsplit(home).netloc:
        return redirect(f"{home}?{request.query_string.decode('ascii', 'replace')}".rstrip("?"))
    answer = make_response(
        render_template(
            "sandbox/app.html",
            settings=settings(),
            client_id=DEMO_ID,
            redirect_uri=home,
            scopes=SCOPES,
            console=settings().base_url + url_for("apps.index"),
        )
    )
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'self'; connect-src 'self' {settings().base_url}; base-uri 'none'; object-src 'none'; "
        "frame-ancestors 'none'; form-action 'none'"
    )
    return answer
