"""The words of Provider Data Profiles: kinds of change, where a request stands, and the labels of the forms."""

from flask_babel import lazy_gettext as _

from service.plan.models import ProfileChangeKind, ProfileChangeStatus

KINDS = {
    ProfileChangeKind.ADD_PRACTITIONER: _("Add a practitioner"),
    ProfileChangeKind.CHANGE_PRACTITIONER: _("Change a practitioner"),
    ProfileChangeKind.REMOVE_PRACTITIONER: _("Remove a practitioner"),
    ProfileChangeKind.ADD_LOCATION: _("Add a location"),
    ProfileChangeKind.CHANGE_LOCATION: _("Change a location"),
    ProfileChangeKind.REMOVE_LOCATION: _("Remove a location"),
    ProfileChangeKind.OUT_OF_NETWORK: _("Out of network or national provider update"),
}
STATES = {
    ProfileChangeStatus.SUBMITTED: _("Sent to the plan"),
    ProfileChangeStatus.IN_REVIEW: _("The plan is looking at it"),
    ProfileChangeStatus.APPROVED: _("Done"),
    ProfileChangeStatus.DECLINED: _("Declined"),
    ProfileChangeStatus.WITHDRAWN: _("Withdrawn"),
}
FIELDS = {
    "npi": (_("NPI of the practitioner"), _("10 digits: the practitioner's own (Type 1) number")),
    "given_name": (_("First name"), None),
    "family_name": (_("Last name"), None),
    "gender": (_("Gender"), None),
    "taxonomy": (_("Taxonomy code"), _("For instance 207Q00000X")),
    "starts_on": (_("First day at your group"), _("month/day/year")),
    "ends_on": (_("Last day at your group"), _("month/day/year")),
    "name": (_("Name of the place"), None),
    "line": (_("Street address"), None),
    "city": (_("City"), None),
    "state": (_("State"), _("Two letters")),
    "zip_code": (_("ZIP code"), None),
    "phone": (_("Phone"), None),
    "note": (_("Anything we should know"), None),
    "text": (_("What should we change?"), _("Names, NPIs, addresses and from when")),
}
"""Each field's label and hint."""
