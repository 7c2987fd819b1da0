"""A member at the console with a connected app: what the tests of the console's deeds begin from."""

from dataclasses import dataclass, field
from typing import Any

from consent import grants
from consent.models import Grant
from consent.scopes import parse
from service import audit
from service.accounts.models import Account
from tests.fhir.conftest import Api
from tests.member.pages import Reader, forms_of
from tests.oauth.desk import App, Desk


@dataclass
class Connected:
    """An app with its tokens, let in by one person for the desk's member."""

    desk: Desk
    reader: Reader
    app: App
    tokens: dict[str, Any]
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.reader.account

    @property
    def grant(self) -> Grant:
        """The grant as it stands now."""
        with self.desk.session() as session:
            found = grants.live_grant(session, self.account.id, self.desk.member.id, self.app.id)
            return found or session.query(Grant).filter_by(client_id=self.app.id, account_id=self.account.id).one()

    @property
    def receipt(self) -> str:
        """Where the receipt of the answer stands that counts now."""
        return f"/apps/answers/{self.grant.decision_id}"

    @property
    def works(self) -> bool:
        """Whether the access token opens anything."""
        return self.desk.works(self.tokens["access_token"])

    def refresh(self) -> Any:
        """Refresh as the app does; a good answer's tokens are kept."""
        answer = self.desk.refresh(self.app, self.tokens["refresh_token"])
        if answer.status_code == 200:
            self.tokens = answer.get_json()
        return answer

    @property
    def api(self) -> Api:
        """The FHIR API with the token at hand."""
        return Api(
            self.desk.app.test_client(), self.desk.member.patient_id, self.tokens["access_token"],
            self.desk.settings.fhir_base,
        )  # fmt: skip

    def press(self, what: str, reader: Reader | None = None) -> Any:
        """Press one of the console's buttons for this app: pause, resume or revoke."""
        by = reader or self.reader
        page = by.get("/apps")
        form = next(one for one in forms_of(page.text) if one.action == f"/apps/{self.grant.id}/{what}")
        return by.browser.post(form.action, data=form.fields)

    def narrow(self, **changed: str | list[str]) -> Any:
        """Send the form of Share less, with some fields changed."""
        path = f"/apps/{self.grant.id}/narrow"
        return self.reader.press(self.reader.get(path), path, **changed)

    @property
    def scope(self) -> set[str]:
        """The types that the tokens at hand are for."""
        return set(parse(self.tokens["scope"]).types)

    def used(self, resource_type: str, count: int, **given: Any) -> None:
        """As if the app had read so many records."""
        with self.desk.session() as session:
            audit.record(
                session, f"fhir:{resource_type}:search", grant_id=self.grant.id, client_id=self.app.id,
                resource_type=resource_type, count=count, **given,
            )  # fmt: skip


def connected(desk: Desk, reader: Reader | None = None, app: App | None = None, **given: Any) -> Connected:
    """An app, a new one where none is named, that the person has let in to the desk's member."""
    reader, app = reader or Reader(desk, desk.account), app or desk.register()
    return Connected(desk, reader, app, desk.connect(app, account=reader.account, member=desk.member, **given))
