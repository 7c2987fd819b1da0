"""npm fhirclient, unmodified, launched from the portal: finds server and member by itself, nobody signs in twice."""

import pytest

from tests.browser.conftest import Story, told

pytestmark = pytest.mark.browser
SCOPE = "launch openid fhirUser patient/Patient.rs patient/ExplanationOfBenefit.rs"


@told(1280, "en")
def test_an_app_launched_from_the_portal_reads_the_member_in_context(story: Story) -> None:
    person = story.browser()
    app = story.app(person)
    member = story.sandbox.account("thomas")["members"][0]
    person.open("/sign-in")
    person.prefer_language()
    person.sign_in("thomas")
    person.page.wait_for_url(lambda url: "/sign-in" not in url)

    app.be_launched(story.sandbox.launch_address(story.site.origin, "thomas", SCOPE))
    person.heading("Share information with %(app)s?", app="Launched Lens")
    person.press("Allow")

    assert app.wait_until_back() == "done", app.text("problem")
    assert (app.text("patient-id"), app.text("patient")) == (member["fhir_id"], member["name"])
    assert int(app.text("claims")) > 0
    story.step("launched, agreed, read")
