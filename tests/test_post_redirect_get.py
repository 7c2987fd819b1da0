"""The watch over forms itself: it sees a form that answers with a page, and its list speaks of forms there are."""

from collections.abc import Callable

import pytest
from flask import Flask, redirect
from flask.typing import ResponseReturnValue

from service.app import create_app
from service.settings import Settings
from service.web import csrf
from tests.browser.forms import GONE_BACK, NOT_GONE_BACK, PLACE
from tests.browser.pages import OF_OTHERS
from tests.conftest import ROOT
from tests.post_redirect_get import WITH_A_PAGE, watching


@pytest.fixture
def bare(settings: Settings) -> Flask:
    made = create_app(settings)
    answers: dict[str, Callable[[], ResponseReturnValue]] = {
        "deed": lambda: "<p>done</p>", "told": lambda: redirect("/", 303), "refused": lambda: ("<p>no</p>", 400)
    }  # fmt: skip
    for name, answer in answers.items():
        made.add_url_rule(f"/{name}", name, csrf.exempt(answer), methods=["POST"])
    return made


def test_a_form_that_answers_with_a_page_is_seen(bare: Flask) -> None:
    with pytest.raises(AssertionError, match="deed"), watching(bare):
        assert bare.test_client().post("/deed").status_code == 200


@pytest.mark.parametrize("path", ["/told", "/refused"])
def test_a_redirect_and_a_refusal_are_right(bare: Flask, path: str) -> None:
    with watching(bare):
        assert bare.test_client().post(path).status_code in {303, 400}


def test_reasons_are_given_for_forms_that_there_are(app: Flask) -> None:
    forms = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert set(WITH_A_PAGE) <= forms, "told of, and gone"
    assert not {name for name in WITH_A_PAGE if name.partition(".")[0] in {"apps", "consent", "people", "messages"}}


def test_each_form_of_a_member_s_place_has_a_story_that_goes_back_after_it(app: Flask) -> None:
    forms = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    theirs = {name for name in forms if app.view_functions[name].__module__.startswith(PLACE)}
    theirs = {name for name in theirs if not name.startswith(OF_OTHERS)}
    assert theirs == set(GONE_BACK) | set(NOT_GONE_BACK), "add it to tests/browser/forms.py, or take it out"
    assert not set(GONE_BACK) & set(NOT_GONE_BACK)
    for story in set(GONE_BACK.values()):
        file, test = story.split("::")
        assert f"\ndef {test}(" in (ROOT / f"tests/browser/{file}.py").read_text(encoding="utf-8"), story
