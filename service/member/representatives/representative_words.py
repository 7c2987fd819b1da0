"""What requests that somebody act for a member are called on members' pages, and why a file is not taken."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.evidence import NoEvidence
from consent.models import Basis
from consent.request_models import RefusalReason, RequestState, RequestStep
from service.plan.mailbox import attachments
from service.plan.mailbox.office_files import UnusableFile

BASES_FOR_ONESELF: dict[Basis, LazyString] = {
    Basis.PERMISSION: _("I give this person my permission"),
    Basis.POWER_OF_ATTORNEY: _("I have signed a power of attorney for this person"),
}
BASES_FOR_ANOTHER: dict[Basis, LazyString] = {
    Basis.PARENT: _("I am the parent of this child"),
    Basis.GUARDIAN: _("I am the guardian, by order of a court"),
    Basis.POWER_OF_ATTORNEY: _("I hold a power of attorney for health care"),
    Basis.CONSERVATOR: _("I am the conservator, by order of a court"),
    Basis.EXECUTOR: _("I am the executor or administrator of a person who has died"),
}
STATES: dict[RequestState, LazyString] = {
    RequestState.WAITING: _("We are looking at it"),
    RequestState.ASKED_BACK: _("We have a question for you"),
    RequestState.LINKED: _("Agreed"),
    RequestState.REFUSED: _("Refused"),
    RequestState.WITHDRAWN: _("You took it back"),
}
REFUSALS: dict[RefusalReason, LazyString] = {
    RefusalReason.EVIDENCE: _("The papers did not prove the right that was asked for."),
    RefusalReason.NOT_MATCHED: _("We could not match the people who were named."),
    RefusalReason.NOT_COVERED: _("The papers do not cover what was asked for."),
    RefusalReason.NO_ANSWER: _("Our question was not answered."),
    RefusalReason.PROTECTION: _("We cannot treat this person as a personal representative."),
}
STEPS: dict[RequestStep, LazyString] = {
    RequestStep.SUBMITTED: _("Request sent"),
    RequestStep.ASKED: _("We asked"),
    RequestStep.ANSWERED: _("You answered"),
    RequestStep.LINKED: _("Agreed"),
    RequestStep.REFUSED: _("Refused"),
    RequestStep.WITHDRAWN: _("Taken back"),
}
"""The steps that whoever asked reads; the others are the plan's own work."""
_FILES: dict[type[UnusableFile], LazyString] = {
    attachments.EmptyFile: _("This file is empty. Please choose it again."),
    attachments.FileTooLarge: _("This file is larger than 10 MB. Please split it or send fewer pages."),
    attachments.TooManyFiles: _("These are too many files. Please put several pages into one PDF."),
    attachments.HarmfulFile: _(
        "This file looks harmful, so we did not take it. Please print it to PDF or photograph it."
    ),
    attachments.ActivePdf: _("This PDF holds a program or another file. Please print it to a new PDF and attach that."),
    attachments.BrokenImage: _("We could not read this picture. Please save it again as PNG, JPEG or PDF."),
    NoEvidence: _("We take PDF, PNG, JPEG and TIFF files as evidence. Please scan or photograph the signed paper."),
}  # fmt: skip


def told_of(problem: UnusableFile) -> str:
    """Which file is not taken, and what to do."""
    return f"{problem.name}: {_FILES.get(type(problem), _FILES[NoEvidence])}"
