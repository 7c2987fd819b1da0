"""Words that the inquiries share."""

from flask_babel import lazy_gettext as _

from service.plan.logins.lookups import Purpose

PURPOSES = (
    (Purpose.TREATMENT.value, _("Treatment"), _("You treat this person, or are about to.")),
    (Purpose.PAYMENT.value, _("Payment"), _("You bill for a service, or need to know who pays.")),
    (Purpose.OPERATIONS.value, _("Health care operations"), _("For instance quality review or an audit.")),
)
"""Why a provider may ask about a member: value, label, explanation."""
