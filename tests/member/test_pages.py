"""The other pages: start, home, Select member, settings, profile, help, and the frame around all of them."""

import re

import pytest

from consent import representatives
from consent.models import LinkScope, RepresentativeLink
from service.accounts.models import Account, LoginSession
from tests.factories import make_account, make_member
from tests.member.pages import Reader, form_to, represent
from tests.oauth.desk import Desk

PUBLIC = ("/", "/help", "/help/your-data", "/no-such-page")
OWN = ("/member", "/people", "/settings", "/settings/change-password", "/profile", "/apps", "/select-member")


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def test_the_start_page_leads_to_sign_in_register_and_help(desk: Desk) -> None:
    page = desk.app.test_client().get("/").text

    assert 'href="/sign-in"' in page and 'href="/register"' in page and 'href="/help"' in page


@pytest.mark.parametrize("path", ["/", "/sign-in", "/no-such-page"])
@pytest.mark.parametrize("following", ["http://[", "//[x", "//]/oauth/authorize/1", "/\ud7ff?request=x"])
def test_an_impossible_address_to_go_on_to_is_passed_over(desk: Desk, path: str, following: str) -> None:
    page = desk.app.test_client().get(path, query_string={"next": following})

    assert page.status_code == (404 if path == "/no-such-page" else 200)


@pytest.mark.parametrize("path", ["/", "/sign-in", "/no-such-page", "/fhir/r4/metadata", "/oauth/token"])
@pytest.mark.parametrize("host", ["x" * 64, "a..b", "[", "evil.example:x"])
def test_an_impossible_host_is_no_fault(desk: Desk, path: str, host: str) -> None:
    answer = desk.app.test_client().get(path, headers={"Host": host})

    assert answer.status_code < 500
    assert "evil.example" not in answer.text


def test_who_is_signed_in_starts_at_home(rosa: Reader) -> None:
    assert rosa.get("/").location == "/member"


def test_every_page_names_the_person_and_the_member(desk: Desk, rosa: Reader) -> None:
    for path in OWN:
        page = rosa.get(path).text
        assert f"<summary>{desk.account.full_name}</summary>" in page
        assert f"Your own information: <strong>{desk.member.full_name}</strong>" in re.sub(r"\s+", " ", page)


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_work_for_strangers(desk: Desk, path: str) -> None:
    page = desk.app.test_client().get(path)

    assert page.status_code in {200, 404}
    assert '<a class="usa-skipnav" href="#main">' in page.text
    assert page.text.count("<h1") == 1


@pytest.mark.parametrize("path", OWN)
def test_own_pages_ask_strangers_to_sign_in(desk: Desk, path: str) -> None:
    assert desk.app.test_client().get(path).location == f"/sign-in?next={path}"


def test_no_page_has_an_inline_style_or_script(desk: Desk, rosa: Reader) -> None:
    consent = rosa.ask(desk.register()).text
    for page in [consent, *(rosa.get(path).text for path in (*PUBLIC, *OWN))]:
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
        assert not re.search(r'(?:src|<link[^>]*href)="(?:https?:)?//', page)


def test_every_input_has_a_label(desk: Desk, rosa: Reader) -> None:
    pages = [rosa.ask(desk.register()).text, *(rosa.get(path).text for path in OWN)]
    tags = [(page, tag) for page in pages for tag in re.findall(r"<(?:input|select|textarea)\b[^>]*>", page)]
    shown = [(page, tag) for page, tag in tags if 'type="hidden"' not in tag]
    assert len(shown) > 20
    for page, tag in shown:
        own = re.search(r'\sid="([^"]+)"', tag)
        assert own and f'for="{own[1]}"' in page, tag


def test_password_is_changed_along_the_documented_path(rosa: Reader) -> None:
    home = rosa.get("/member").text
    assert '<a href="/settings">Settings</a>' in home
    assert '<a href="/settings/change-password">Change Password</a>' in rosa.get("/settings").text
    assert re.search(
        r'href="/password-reset">Redirect to Password Reset</a>', rosa.get("/settings/change-password").text
    )


def test_profile_shows_what_is_on_file_and_whom_to_call(desk: Desk) -> None:
    with desk.session() as session:
        member = make_member(session, address_line="12 Elm Street", city="Philadelphia", phone="215-555-0134")
        account = make_account(session, member=member)

    page = Reader(desk, account).get("/profile").text

    for told in (
        "12 Elm Street",
        "Philadelphia",
        "215-555-0134",
        member.member_number,
        "1-555-010-0784",
        "1-555-010-0477",
    ):
        assert told in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0], "nothing can be sent from here"


def test_help_answers_the_questions_of_the_plans_page(desk: Desk) -> None:
    page = desk.app.test_client().get("/help").text.replace("&#39;", "'")

    for question in (
        "How can I retrieve my Username?", "How can I update my address, phone number, and email address?",
        "How do I change my password?", "What are the requirements for creating a password?",
        "How do I give access to my data to a SMART on FHIR app or a website I want to use?",
        "What if I cannot find Meridian Health Plan in the app or website?",
        "What information will the app have access to?", "How can I see which applications have access to my data?",
        "What is a Personal Representative?",
        "As a Personal Representative, can I register for the Interoperability Resource Center?",
        "As a Personal Representative, how can I view the information which was shared with me?",
        "What level of detail is available?", "Is there an approved list of apps?",
    ):  # fmt: skip
        assert question in page


def test_education_tells_where_to_complain_and_its_version(desk: Desk) -> None:
    page = desk.app.test_client().get("/help/your-data").text

    assert "Office for Civil Rights" in page and "Federal Trade Commission" in page
    assert "Version of this page: 2026-2" in page


def test_a_representative_of_several_picks_a_member_before_anything_else(desk: Desk) -> None:
    with desk.session() as session:
        account, mother, father = make_account(session), make_member(session), make_member(session)
    represent(desk, account, mother)
    represent(desk, account, father)
    dana = Reader(desk, account)

    page = dana.follow(dana.get("/profile"))
    chosen = dana.follow(dana.press(page, "/select-member", selected=father.patient_id))

    assert father.member_number in chosen.text
    assert f"You are acting for <strong>{father.full_name}</strong>" in re.sub(r"\s+", " ", chosen.text)


def test_who_acts_for_nobody_is_told_so_and_sent_nowhere(desk: Desk) -> None:
    with desk.session() as session:
        account = make_account(session)
    somebody = Reader(desk, account)
    home = somebody.get("/member")

    assert home.status_code == 200
    for path in ("/apps", "/profile", "/my-information"):
        page = somebody.get(path)
        assert page.status_code == 403 and "No member is linked to your account" in page.text, path


def test_nobody_acts_for_a_stranger(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        own_child, stranger = make_member(session), make_member(session)
    represent(desk, desk.account, own_child)

    answer = rosa.press(rosa.get("/select-member"), "/select-member", selected=stranger.patient_id)

    assert answer.status_code == 403 and "You cannot act for this member" in answer.text
    assert stranger.full_name not in answer.text


def test_select_member_never_leads_elsewhere(desk: Desk, rosa: Reader) -> None:
    page = rosa.get("/select-member?next=//evil.example/")

    answer = rosa.press(page, "/select-member", selected=desk.member.patient_id)

    assert answer.location == "/member"


def test_nothing_selected_is_told_beside_the_field(rosa: Reader) -> None:
    answer = rosa.press(rosa.get("/select-member"), "/select-member", selected="")

    assert answer.status_code == 400
    assert '<a href="#selected">Select member: Please choose one.</a>' in answer.text
    assert 'aria-describedby=" selected-error" aria-invalid="true"' in answer.text


def test_the_language_of_the_header_stays(desk: Desk) -> None:
    browser = desk.app.test_client()

    assert '<html lang="es"' in browser.get("/help?lang=es").text
    assert '<html lang="es"' in browser.get("/").text
    assert '<html lang="en"' in browser.get("/?lang=en").text


def test_the_browsers_language_counts_for_strangers(desk: Desk) -> None:
    page = desk.app.test_client().get("/", headers={"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"})

    assert '<html lang="es"' in page.text


def test_the_language_of_the_account_is_kept(desk: Desk, rosa: Reader) -> None:
    saved = rosa.press(rosa.get("/settings"), "/settings/language", language="es")

    assert "Se guardó su idioma" in rosa.follow(saved).text
    with desk.session() as session:
        assert session.get_one(Account, desk.account.id).language == "es"


def test_an_unknown_language_is_refused(desk: Desk, rosa: Reader) -> None:
    assert rosa.press(rosa.get("/settings"), "/settings/language", language="xx").status_code == 400
    assert '<html lang="en"' in rosa.get("/help?lang=xx").text


def test_another_browser_is_signed_out_from_settings(desk: Desk, rosa: Reader) -> None:
    other = Reader(desk, desk.account)
    page = rosa.get("/settings")

    assert page.text.count("Another browser") == 1
    rosa.press(page, "/settings/sessions/end-others")

    assert other.get("/member").status_code == 303
    assert rosa.get("/member").status_code == 200


def test_nobody_ends_a_strangers_session(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        account = make_account(session, member=make_member(session))
    other = Reader(desk, account)
    with desk.session() as session:
        row = session.query(LoginSession).filter_by(account_id=account.id).one()
    form = form_to(rosa.get("/settings").text, "/settings/language")

    answer = rosa.browser.post(f"/settings/sessions/{row.id}/end", data=form.fields)

    assert answer.status_code == 404
    assert other.get("/member").status_code == 200


def test_a_faults_page_looks_nobody_up(desk: Desk, rosa: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise RuntimeError("a fault of ours")

    monkeypatch.setitem(desk.app.view_functions, "profile.index", broken)

    page = rosa.get("/profile")

    assert page.status_code == 500
    assert "Reference number" in page.text and "a fault of ours" not in page.text
    assert desk.account.full_name not in page.text


def test_members_see_who_acts_for_them(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        account = make_account(session)
    represent(desk, account, desk.member, scope=LinkScope.CLAIMS_ONLY)

    page = rosa.get("/people").text

    assert "Dana Reyes" in page and "guardian" in page and "Claims and coverage only" in page


def test_representatives_do_not_see_the_others(desk: Desk) -> None:
    with desk.session() as session:
        account = make_account(session)
    represent(desk, account, desk.member)
    dana = Reader(desk, account)

    assert dana.get("/people").status_code == 404
    assert "People who act for me" not in dana.get("/member").text


def test_a_blocked_representative_is_not_shown(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        account = make_account(session)
    link = represent(desk, account, desk.member)
    with desk.session() as session:
        representatives.block(session, session.get_one(RepresentativeLink, link.id), by_account_id=None)

    assert "Nobody acts for you at the moment." in rosa.get("/people").text
