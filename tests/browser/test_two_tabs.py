"""Two members in two tabs, told interleaved: each press acts for whom its page names, or says for whom one acts now."""

import re

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import LONG, Story
from tests.browser.looking import WIDTHS
from tests.browser.person import Person
from tests.browser.plain_app import PlainApp

pytestmark = pytest.mark.browser
_LEO, _MIA = "Leo Miller", "Mia Miller"
# Each telling has apps of its own: what was agreed once is not asked again.
_APPS = ("Kitchen Table Ledger", "Kitchen Table Diary", "Kitchen Table Clock", "Kitchen Table Scale")
_NOW_FOR = (
    "You act for %(name)s now. If the page that you used was made for somebody else, in a second window, choose "
    "that member again, open the page again and do it there."
)


def _tellings() -> list[tuple[int, str, bool]]:
    """Width, language and scripts of each telling."""
    if not LONG:
        return [(360, "es", True), (1280, "en", False)]
    return [(width, language, scripts) for width in WIDTHS for language in ("en", "es") for scripts in (True, False)]


told_both = pytest.mark.parametrize(("width", "language", "scripts"), _tellings(), ids=str)


@told_both
def test_consent_pages_for_two_members_are_answered_in_the_opposite_order(story: Story, scripts: bool) -> None:
    one, other = _two_tabs(story, scripts=scripts)
    first, second = _apps(story, one, other, scripts=scripts)
    for tab, app, member in ((one, first, _LEO), (other, second, _MIA)):
        app.launch()
        _pick(tab, member)
        _asks_about(tab, app, member)

    other.press("Allow")
    assert second.receive() == 200
    assert second.tokens["patient"] == _patient(story, _MIA)
    assert _acted(one, "Allow") == _MIA
    one.look("the-first-page-says-for-whom-one-acts-now")
    assert not first.tokens
    story.step("the later page was answered first; the earlier one shared nothing")

    one.follow("Go back to what the app asks")
    _pick(one, _LEO)
    _asks_about(one, first, _LEO)
    one.press("Allow")
    assert first.receive() == 200
    assert first.tokens["patient"] == _patient(story, _LEO)
    for app in (first, second):
        assert app.read().status_code == 200
    story.step("and each app has the member of its page")


@told_both
def test_a_no_in_one_tab_leaves_the_other_tab_s_question(story: Story, scripts: bool) -> None:
    one, other = _two_tabs(story, scripts=scripts)
    first, second = _apps(story, one, other, scripts=scripts, again="No ")
    first.launch()
    second.launch()
    _pick(one, _LEO)
    # The second tab's choice was open before the first one's: it chooses all the same, or says who was chosen.
    if _acted(other, "Continue", member=_MIA) == _LEO:
        other.follow("Go back to what the app asks")
        _pick(other, _MIA)
    _asks_about(other, second, _MIA)
    one.page.reload()
    one.heading("Whose information do you want to share?")
    _pick(one, _LEO)
    _asks_about(one, first, _LEO)
    assert _acted(other, "Don't allow") == _LEO
    one.press("Don't allow")
    one.page.wait_for_url(lambda url: "error=access_denied" in url)
    other.follow("Go back to what the app asks")
    _pick(other, _MIA)
    _asks_about(other, second, _MIA)
    other.press("Allow")
    assert second.receive() == 200
    assert second.tokens["patient"] == _patient(story, _MIA)


@told_both
def test_forms_of_the_console_left_open_for_another_member_do_nothing(story: Story, scripts: bool) -> None:
    one, other = _two_tabs(story, scripts=scripts)
    apps = _apps(story, one, other, scripts=scripts, again="My ")
    for tab, app, member in zip((one, other), apps, (_LEO, _MIA), strict=True):
        app.launch()
        _pick(tab, member)
        tab.press("Allow")
        assert app.receive() == 200
    for_leo, for_mia = apps
    narrowing, launching = (_tab(one) for _ in range(2))
    for tab, path in ((one, "/apps"), (narrowing, "/apps"), (launching, "/gallery/sample-app")):
        _select(tab, _LEO)
        tab.open(path)
        assert _banner(tab) == _LEO
    _entry(narrowing, for_leo).get_by_role("link", name=re.compile(re.escape(narrowing.words("Share less")))).click()
    narrowing.heading("Share less with %(app)s", app=for_leo.name)
    download = one.page.locator("a[href*='member=']").first.get_attribute("href")
    _select(other, _MIA)
    other.open("/apps")

    for tab, button in ((one, "Pause"), (narrowing, "Save"), (launching, "Launch")):
        assert _acted(tab, button, of=for_leo if button == "Pause" else None) == _MIA
        assert [app.read().status_code for app in apps] == [200, 200]
    answer = one.page.request.get(f"{story.sandbox.url}{download}")
    assert answer.status == 409 and _LEO not in answer.text() and _MIA in answer.text()
    story.step("three forms for one member, pressed while the other is chosen, did nothing")

    assert other.page.get_by_text(for_leo.name).count() == 0
    assert _acted(other, "Pause", of=for_mia) == _MIA
    assert [app.read().status_code for app in apps] == [200, 401], "the page of the one that is named acts for her"
    one.open("/apps")
    assert _banner(one) == _MIA, "a page that is opened anew is about whom one acts for now"
    assert _acted(other, "Resume", of=for_mia) == _MIA
    _select(one, _LEO)
    assert _acted(other, "Revoke", of=for_mia) == _LEO
    assert for_mia.read().status_code == 200
    story.step("and the other way round")


def _two_tabs(story: Story, *, scripts: bool) -> tuple[Person, Person]:
    """Anna, who acts for two children, in two tabs of one browser."""
    anna = story.browser(scripts=scripts)
    anna.open("/sign-in")
    anna.prefer_language()
    anna.sign_in("anna")
    return anna, _tab(anna)


def _tab(person: Person) -> Person:
    return Person(person.page.context.new_page(), person.sandbox, person.words, person.looks)


def _apps(story: Story, one: Person, other: Person, *, scripts: bool, again: str = "") -> tuple[PlainApp, PlainApp]:
    names = _APPS[:2] if scripts else _APPS[2:]
    first, second = (
        PlainApp(tab.page, story.site, story.sandbox, again + name)
        for tab, name in zip((one, other), names, strict=True)
    )
    return first, second


def _pick(person: Person, member: str) -> None:
    person.field("Select member").select_option(label=member)
    person.press("Continue")


def _select(person: Person, member: str) -> None:
    person.open("/select-member")
    _pick(person, member)


def _asks_about(person: Person, app: PlainApp, member: str) -> None:
    person.heading("Share information with %(app)s?", app=app.name)
    assert _banner(person) == member


def _banner(person: Person) -> str:
    """Whom the page names at its top."""
    return person.page.locator(".ls-acting strong").inner_text()


def _entry(person: Person, app: PlainApp) -> Locator:
    return person.page.locator("section.ls-app", has_text=app.name)


def _acted(person: Person, button: str, *, of: PlainApp | None = None, member: str = "") -> str:
    """Press a button (`of` an app in the console); whom the page that comes names as the one for whom one acts now.

    Where it refuses, it must do so in words; `member` is chosen first, where the page asks for one.
    """
    if member:
        person.field("Select member").select_option(label=member)
    where = _entry(person, of) if of else person.page
    with person.page.expect_navigation():
        where.get_by_role("button", name=person.words(button), exact=True).click()
    named = _banner(person)
    if person.page.locator(".ls-reference").count():
        person.reads(_NOW_FOR, name=named)
    return named


def _patient(story: Story, name: str) -> str:
    [found] = (one["fhir_id"] for one in story.sandbox.account("anna")["members"] if one["name"] == name)
    return str(found)
