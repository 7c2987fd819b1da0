"""The launch address of an app that a program registered (`initiate_login_uri` of OpenID Connect Registration)."""

import pytest

from oauth.apps import admission
from oauth.models import Client
from tests.oauth.desk import Desk
from tests.oauth.programs import Registered, metadata, post
from tests.oauth.test_dynamic_registration import approve, refused


def test_the_address_that_begins_a_log_in_is_the_launch_address(desk: Desk) -> None:
    launch = "https://app.example.org/launch"
    app = Registered.new(desk, initiate_login_uri=launch)
    assert app.told["initiate_login_uri"] == launch and app.app.view.launch_uris == (launch,)
    told = app.put(client_uri="https://orchard.example/we").get_json()
    assert told["initiate_login_uri"] == launch and app.app.view.launch_uris == (launch,)
    approve(desk, app.id)
    moved = f"{launch}/two"
    assert app.put(initiate_login_uri=moved).get_json()["initiate_login_uri"] == launch, "the approved one stands"
    approve(desk, app.id)
    assert app.app.view.launch_uris == (moved,)
    assert app.put(initiate_login_uri=None).get_json()["approval_pending"], "to have none is a change too"
    approve(desk, app.id)
    assert app.app.view.launch_uris == () and "initiate_login_uri" not in app.manage("GET").get_json()


def test_launch_addresses_that_were_added_stay_with_the_one_that_is_said(desk: Desk) -> None:
    launches = ["https://app.example.org/launch", "https://app.example.org/launch/pages"]
    app = Registered.new(desk, initiate_login_uri=launches[0])
    with desk.session() as session:
        session.get_one(Client, app.id).launch_uris = launches
        review = admission.versions_of(session, app.id).latest
        review.content = {**review.content, "launch_uris": launches}
    assert app.put(client_name="Orchard Pages").status_code == 200
    assert app.app.view.launch_uris == tuple(launches)


@pytest.mark.parametrize("launch", ["http://app.example.org/launch", "javascript:alert(1)", "https://a.example/#x"])
def test_an_unfit_launch_address_is_refused(desk: Desk, launch: str) -> None:
    assert refused(post(desk, metadata(initiate_login_uri=launch)), "invalid_redirect_uri")
    app = Registered.new(desk)
    assert refused(app.put(initiate_login_uri=launch), "invalid_redirect_uri")
