"""How the authorization endpoint refuses: on a page of ours, or to the app."""

from werkzeug.test import TestResponse

from tests.oauth.desk import (
    CALLBACK,
    Desk,
    answer_of,
)


def refused_on_our_page(answer: TestResponse) -> bool:
    """Told to the person on a page of ours: 400, nobody sent anywhere."""
    return answer.status_code == 400 and "Location" not in answer.headers and "<html" in answer.text


def refused_to_the_app(desk: Desk, answer: TestResponse, error: str) -> bool:
    """Told to the app: redirect with error, state and iss, and no code (case 18)."""
    assert answer.status_code == 303, (answer.status_code, answer.text[:300])
    assert answer.location.startswith(CALLBACK + "?"), answer.location
    told = answer_of(answer.location)
    assert "code" not in told
    return (told["error"], told.get("state"), told["iss"]) == (error, "state-1", desk.settings.base_url)
