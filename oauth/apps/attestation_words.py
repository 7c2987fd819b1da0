"""Whether an app's developer agreed to the plan's privacy policy, in words."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask_babel import get_locale, gettext

from oauth.apps.clients import Attestation, ClientView
from service.days import day_in_words
from service.plan_file import Plan


def attestation(client: ClientView, plan: Plan) -> str:
    """Whether the developer agreed to the plan's privacy policy, as a fact: never a warning and never a gate."""
    names = {"developer": client.developer_name, "plan": plan.name}
    if client.attestation is Attestation.ATTESTED:
        return str(gettext(
            "The developer of this app, %(developer)s, agreed to the privacy policy of %(plan)s on %(date)s "
            "(version %(version)s).",
            date=_day(client.attested_on, plan.timezone), version=client.attestation_version or "", **names,
        ))  # fmt: skip
    if client.attestation is Attestation.DECLINED:
        return str(gettext(
            "The developer of this app, %(developer)s, was asked to agree to the privacy policy of %(plan)s and "
            "answered no on %(date)s. The choice to use the app is yours.",
            date=_day(client.attested_on, plan.timezone), **names,
        ))  # fmt: skip
    return str(
        gettext(
            "The developer of this app, %(developer)s, has not answered whether they agree to the privacy policy of "
            "%(plan)s. The choice to use the app is yours.",
            **names,
        )
    )


def _day(moment: datetime | None, timezone: ZoneInfo) -> str:
    return day_in_words(moment, timezone, get_locale() or "en") if moment else ""
