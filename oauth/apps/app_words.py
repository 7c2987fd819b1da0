"""What is said of apps in words, wherever it is said: states, steps, grounds, platforms, categories, reports."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from oauth.apps.models import Category, CheckAnswer, DeclineReason, Platform, ReportReason, ReviewState, ReviewStep

STATES: dict[ReviewState, LazyString] = {
    ReviewState.DRAFT: _("Draft"),
    ReviewState.SUBMITTED: _("Submitted: waits for the plan"),
    ReviewState.MORE_INFORMATION: _("The plan has a question"),
    ReviewState.DECLINED: _("Declined"),
    ReviewState.APPROVED: _("Approved"),
    ReviewState.SUSPENDED: _("Suspended"),
    ReviewState.RETIRED: _("Retired"),
    ReviewState.REPLACED: _("Replaced by a later version"),
    ReviewState.DROPPED: _("Given up"),
}
STEPS: dict[ReviewStep, LazyString] = {
    ReviewStep.REGISTER: _("Registered"),
    ReviewStep.CHANGE: _("Changed"),
    ReviewStep.SUBMIT: _("Submitted for review"),
    ReviewStep.WITHDRAW: _("Withdrawn from review"),
    ReviewStep.ASK: _("The plan asked"),
    ReviewStep.ANSWER: _("Answered"),
    ReviewStep.DECLINE: _("Declined by the plan"),
    ReviewStep.APPEAL: _("Appealed"),
    ReviewStep.APPROVE: _("Approved by the plan"),
    ReviewStep.SUSPEND: _("Suspended by the plan"),
    ReviewStep.REINSTATE: _("Reinstated by the plan"),
    ReviewStep.NARROW: _("Scopes taken away by the plan"),
    ReviewStep.RETIRE: _("Retired"),
    ReviewStep.DISABLE: _("Stopped with its developer organization"),
    ReviewStep.ENABLE: _("Let in again with its developer organization"),
    ReviewStep.REPLACE: _("Replaced by a later version"),
    ReviewStep.DROP: _("Given up"),
}
DECLINE_REASONS: dict[DeclineReason, LazyString] = {
    DeclineReason.SECURITY_RISK: _(
        "The app would put members' information on the plan's systems at an unacceptable risk."
    ),
    DeclineReason.POSES_AS_ANOTHER: _("The name, logo or texts pose as somebody else."),
    DeclineReason.ADDRESS_NOT_YOURS: _("An address does not belong to the developer."),
    DeclineReason.DESCRIPTION_UNTRUE: _("The app does something else than its description says."),
    DeclineReason.PAGES_MISSING: _("The privacy policy or the terms cannot be read at their address."),
    DeclineReason.NO_ANSWER: _("The plan's question was not answered for 60 days."),
}
PLATFORMS: dict[Platform, LazyString] = {
    Platform.WEB: _("Web"),
    Platform.IOS: _("iPhone or iPad"),
    Platform.ANDROID: _("Android"),
    Platform.DESKTOP: _("Computer (Windows, Mac, Linux)"),
    Platform.OTHER: _("Something else"),
}
CATEGORIES: dict[Category, LazyString] = {
    Category.CLAIMS: _("Claims and costs"),
    Category.RECORDS: _("Health records in one place"),
    Category.MEDICINES: _("Medicines"),
    Category.CONDITIONS: _("Living with a condition"),
    Category.WELLBEING: _("Fitness and well-being"),
    Category.CARING: _("Caring for somebody"),
    Category.OTHER: _("Something else"),
}
CHECK_ANSWERS: dict[CheckAnswer, LazyString] = {
    CheckAnswer.YES: _("Yes"),
    CheckAnswer.NO: _("No"),
    CheckAnswer.NOT_APPLICABLE: _("Does not apply"),
}
REPORT_REASONS: dict[ReportReason, LazyString] = {
    ReportReason.POSES_AS_ANOTHER: _("It pretends to be somebody else"),
    ReportReason.MISLEADS: _("It does something else than it says"),
    ReportReason.SHARES_DATA: _("It shares or sells information without asking"),
    ReportReason.DOES_NOT_WORK: _("It does not work"),
    ReportReason.UNSAFE: _("It gives advice that could do harm"),
    ReportReason.OTHER: _("Something else"),
    ReportReason.POLICY_CHANGED: _("Its privacy policy has changed"),
    ReportReason.POLICY_UNREADABLE: _("Its privacy policy could not be read for seven days"),
}
_WATCHS_REASONS = (ReportReason.POLICY_CHANGED, ReportReason.POLICY_UNREADABLE)
PEOPLES_REASONS = tuple(reason for reason in ReportReason if reason not in _WATCHS_REASONS)
"""What people may report."""


def platforms_in_words(platforms: tuple[str, ...]) -> list[str]:
    """Platforms of an app as people read them; a word that we do not know is left out."""
    return [str(said) for platform, said in PLATFORMS.items() if platform in platforms]


def category_in_words(category: str | None) -> str:
    """The category of an app as people read it."""
    return str(CATEGORIES[Category(category) if category else Category.OTHER])
