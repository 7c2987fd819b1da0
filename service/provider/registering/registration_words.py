"""Sentences that several registration pages show."""

from flask_babel import lazy_gettext as _

from service.plan.registering.joining import REASON_WORDS

TOO_MANY = _("There were many registrations from your network within the last hour. Please try again in an hour.")
PROVIDERS_TAX_ID = _(
    "This is the Tax ID of a provider. Please use the Tax ID of your own billing organization; "
    "you add the Tax IDs of your clients after you have registered. If you do not know it, ask your own organization."
)
NOT_YOUR_NAME = _(
    "This is the name of the organization or of one of its practitioners. Please give your own name: each person needs "
    "an account in their own name. If this is your own name, call us and we will help you."
)
PIN_REFUSED = _(
    "That PIN did not work. It may be mistyped, older than 30 days, replaced by a newer letter, or tried too often "
    "(5 times). Check the newest letter, or ask for a new one."
)
REASONS = tuple(REASON_WORDS.items())
