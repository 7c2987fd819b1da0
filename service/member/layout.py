"""What the frame of every page needs: the plan, the language, who is signed in and for whom they act."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from babel import Locale
from flask import Blueprint, request
from flask_babel import LazyString, force_locale, get_locale, gettext
from flask_babel import lazy_gettext as _

from oauth.authorization.flows import PendingView
from service import days
from service.member import acting, audience
from service.member.browsers import name_of
from service.member.consent.waiting import find_waiting
from service.member.language import current_language, languages, readable_path, withheld
from service.plan.providers.numbers import last_four
from service.plan_file import OpenDays, PhoneLine
from service.web import allow_form_redirect, plan, request_id, settings

_LONGEST_NAME = 64
_DAYS = {
    OpenDays.EVERY_DAY: _("Every day"),
    OpenDays.WEEKDAYS: _("Monday to Friday"),
    OpenDays.MONDAY_TO_SATURDAY: _("Monday to Saturday"),
}
blueprint = Blueprint("layout", __name__)
blueprint.add_app_template_filter(name_of, "browser_name")
blueprint.add_app_template_filter(last_four, "last_four")


@dataclass(frozen=True)
class Viewer:
    """The signed-in person as the header shows them, and the member whose information the page is about."""

    name: str
    member_name: str | None
    represents: bool
    may_choose: bool
    new_messages: int


@blueprint.app_context_processor
def _frame() -> dict[str, Any]:
    if waiting := find_waiting():
        # Who signs in by a form may go straight through to the app: browsers hold form-action against the whole way.
        allow_form_redirect(waiting.form_action)
    return {
        "plan": plan(),
        "language": current_language(),
        "languages": languages(),
        "current_viewer": current_viewer,
        "withheld_translation": _withheld_translation,
        "page_of_form": _page_of_form,
        "page_frame": audience.frame,
        "page_place": audience.place,
        "reference_number": request_id,
        "login_hint": _login_hint(waiting),
        "waiting_request": waiting.id if waiting else None,
    }


def _withheld_translation() -> tuple[str, str] | None:
    """The language in which the page is not shown yet, and the sentence that says so in it."""
    language = withheld()
    if language is None:
        return None
    with force_locale(language):
        return language, gettext(
            "This page is shown in English: your rights depend on its words, and nobody has checked its "
            "translation yet. Call us, and somebody will explain it in your language."
        )


def _page_of_form() -> str | None:
    """Where the page that this one answers can be asked for; None for a page that answers no form."""
    return readable_path() if request.method == "POST" else None


def _login_hint(waiting: PendingView | None) -> str:
    """The user name that the waiting app expects, for the sign-in form; nothing where it cannot be one."""
    hint = (waiting and waiting.login_hint) or ""
    return hint if len(hint) <= _LONGEST_NAME and hint.isprintable() else ""


def current_viewer() -> Viewer | None:
    """Who is signed in; None for a stranger."""
    who = acting.find_person()
    if who is None:
        return None
    choice = who.choice
    return Viewer(
        name=who.account.full_name,
        member_name=choice.member.full_name if choice else None,
        represents=choice is not None and not choice.is_self,
        may_choose=any(one is not choice for one in who.choices),
        new_messages=who.login.new_messages,
    )


@blueprint.app_template_filter("translated")
def translated(sentence: str | LazyString) -> str:
    """A sentence of the catalogue in the page's language; a plain one is looked up, without filling in anything."""
    if isinstance(sentence, LazyString):
        return str(sentence)
    return gettext(sentence) if sentence else ""


@blueprint.app_template_filter("day")
def day(at: datetime) -> str:
    """The date of a moment in the plan's time zone, in words."""
    return days.day_in_words(at, settings().plan.timezone, get_locale() or "en")


@blueprint.app_template_filter("last_day")
def last_day(over_at: datetime) -> str:
    """The last whole day before something is over, in the plan's time zone, in words."""
    return day(over_at - timedelta(microseconds=1))


@blueprint.app_template_filter("date_in_words")
def date_in_words(on: date) -> str:
    """A day that has no time, such as a payment's, in words."""
    return days.in_words(on, get_locale() or "en")


@blueprint.app_template_filter("hours")
def hours(line: PhoneLine) -> str:
    """When somebody answers a phone line, in words; empty where the plan does not say."""
    if line.days is None:
        return ""
    if line.opens is None or line.closes is None:
        return str(_DAYS[line.days])
    language = get_locale() or "en"
    told: str = gettext(
        "%(days)s, %(opens)s to %(closes)s, %(zone)s", days=_DAYS[line.days],
        opens=days.time_in_words(line.opens, language), closes=days.time_in_words(line.closes, language),
        zone=days.zone_in_words(settings().plan.timezone, language),
    )  # fmt: skip
    return told


@blueprint.app_template_filter("language_name")
def language_name(code: str) -> str:
    """A language by its code, as the page's language calls it."""
    return str((get_locale() or Locale("en")).languages.get(code, code))


@blueprint.app_template_filter("moment")
def moment(at: datetime) -> str:
    """A date and time of day in the plan's time zone, which is named, in words."""
    return days.moment_in_words(at, settings().plan.timezone, get_locale() or "en")
