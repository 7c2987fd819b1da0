"""Launch of an app from the member's pages (conformance A5; SMART-13, 14)."""

from urllib.parse import urljoin, urlsplit

from service.conformance import forms, launches
from service.conformance.browser import leads_to, parameters_of
from service.conformance.client_app import App
from service.conformance.forms import Form
from service.conformance.launch import Launch
from service.conformance.requirement import Requirement
from service.conformance.sandbox_file import Registered
from service.conformance.sections.standalone import token_response
from service.conformance.trial import Trial
from service.conformance.verdicts import Failed, expect, expect_status
from service.conformance.wire import Answer

_MOST_PAGES = 40


def _opened(trial: Trial) -> None:
    told = _context(trial)
    expect(told.get("iss") == trial.fhir_base, "iss as the FHIR base", "another" if told.get("iss") else "none")
    expect(len(told.get("launch", "")) >= 22, "launch of 128 bits or more", len(told.get("launch", "")))


def _token(trial: Trial) -> None:
    token_response(_launch(trial).body)


def _state(trial: Trial) -> None:
    launch = _launch(trial)
    expect(launch.parameters.get("state") == launch.asked["state"], "the state that was sent", "none or another")


def _patient(trial: Trial) -> None:
    trial.require("context-ehr-patient")
    launch = _launch(trial)
    expect(launch.text("patient") == trial.file.account.patient_id, "the member whose pages these are", "another")
    answer = trial.read(f"Patient/{launch.text('patient')}", launch.access_token)
    expect_status(answer.status, {200}, "a read of the launch's Patient")


def _id_token(trial: Trial) -> None:
    trial.require("sso-openid-connect")
    expect(_launch(trial).text("id_token"), "an id_token", "none")


def _once_only(trial: Trial) -> None:
    used = _launch(trial).asked["launch"]
    _require_refused(trial, used, "a launch that was used")


def _made_up(trial: Trial) -> None:
    _require_refused(trial, "made-up-launch-" + "0" * 30, "a made-up launch")


def _no_launch(trial: Trial) -> None:
    _require_refused(trial, None, "scope launch without a launch")


def _other_app(trial: Trial) -> None:
    fresh, other = _open_app(trial)["launch"], launches.symmetric(trial).app
    if other.id == _app(trial).id:
        other = launches.public(trial).app
    told = trial.ask(other, _scope(trial), {"launch": fresh, "prompt": "consent"}).landing.parameters or {}
    expect("code" not in told, "no code for another app's launch", "a code")


def _require_refused(trial: Trial, launch: str | None, what: str) -> None:
    told = trial.ask(_app(trial), _scope(trial), {"launch": launch}).parameters
    expect("code" not in told, f"no code for {what}", "a code")
    expect(told.get("error") == "invalid_request", f"invalid_request for {what}", told.get("error"))


def _launch(trial: Trial) -> Launch:
    context = _context(trial)
    return trial.once("portal", lambda: trial.connect(_app(trial), _scope(trial), {"launch": context["launch"]}))


def _scope(trial: Trial) -> str:
    """What the app is registered for, of a patient's records; all of them where the file does not tell."""
    told = [scope for scope in _app(trial).registered.scopes.split() if scope.startswith("patient/")]
    return " ".join(("launch", "openid", "fhirUser", *(told or [launches.every_type(trial)])))


def _app(trial: Trial) -> App:
    trial.require("launch-ehr")
    return trial.as_app(trial.file.launched())


def _context(trial: Trial) -> dict[str, str]:
    """The parameters that the member's pages opened the app with, once a run."""
    _app(trial)
    return trial.once("opened", lambda: _open_app(trial))


def _open_app(trial: Trial) -> dict[str, str]:
    """Press the button that opens the app; raises Failed where no page of the member's has one."""
    registered = _app(trial).registered
    page, form = _find_button(trial, registered)
    answer = trial.browser.press(page, form)
    for _ in range(_MOST_PAGES):
        if answer.target is None:
            break
        if any(leads_to(answer.target, home) for home in registered.launch_uris):
            return parameters_of(answer.target)
        answer = trial.browser.get(answer.target)
    raise Failed("the app's launch address to be opened", f"a page with status {answer.status}")


def _find_button(trial: Trial, app: Registered) -> tuple[Answer, Form]:
    """The page and the form that open this app, near the page that discovery names."""
    page = trial.browser.open(trial.endpoint("management_endpoint"))
    seen, waiting = {page.url}, _links(page)
    for _ in range(_MOST_PAGES):
        for form in forms.read(page.text).forms:
            if "launch" in form.action and (app.name in form.words or app.client_id in form.action):
                return page, form
        # Pages that name the app first: a catalogue of apps leads to them.
        waiting = sorted(set(waiting) - seen, key=lambda link: (app.client_id not in link, link.count("/"), link))
        if not waiting:
            break
        seen.add(waiting[0])
        page = trial.browser.get(waiting[0])
        waiting += _links(page)
    raise Failed(f"a button on the member's pages that opens {app.name}", "none")


def _links(page: Answer) -> list[str]:
    """Where the links of a page lead, on the same server."""
    here = urlsplit(page.url)
    every = (urlsplit(urljoin(page.url, link)) for link in forms.read(page.text).links)
    return [link._replace(fragment="", query="").geturl() for link in every if link.netloc == here.netloc]


REQUIREMENTS = (
    Requirement("portal_launch.opened", "A5, SMART-13", "the app is opened with iss and launch", _opened),
    Requirement("portal_launch.state", "A5", "the state comes back unchanged", _state),
    Requirement("portal_launch.token", "A5", "the token response is whole", _token),
    Requirement("portal_launch.patient", "A5, SMART-27", "the patient is the portal's", _patient),
    Requirement("portal_launch.id_token", "A5", "who signed in is told", _id_token),
    Requirement("portal_launch.once", "SMART-14", "a launch works once", _once_only),
    Requirement("portal_launch.made_up", "SMART-14", "a made-up launch is refused", _made_up),
    Requirement("portal_launch.missing", "SMART-16", "scope launch needs a launch", _no_launch),
    Requirement("portal_launch.other_app", "SMART-14", "a launch is its own app's", _other_app),
)
