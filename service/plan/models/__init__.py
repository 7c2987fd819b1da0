"""Tables of the plan's own records, one module a subject."""

from service.plan.models.members import FormerUnit, Member
from service.plan.models.messages import (
    MessageAttachment,
    MessageThread,
    SecureMessage,
    ThreadReading,
    ThreadStatus,
    ThreadTopic,
)
from service.plan.models.portal import (
    AccessEntry,
    DelegateRequest,
    EntrySource,
    MailedPin,
    NotListedRequest,
    OrganizationKind,
    PlanStaff,
    PortalFunction,
    PortalInvitation,
    PortalOrganization,
    PortalRegistration,
    ProviderStaff,
    RegistrationProof,
    RequestStatus,
    SharingKind,
    SharingSign,
    StaffRole,
    StaffStatus,
    TermsAcceptance,
)
from service.plan.models.providers import (
    GroupStatus,
    IdKind,
    Practitioner,
    PractitionerAffiliation,
    ProfileChange,
    ProfileChangeKind,
    ProfileChangeStatus,
    ProviderAddress,
    ProviderContact,
    ProviderGroup,
    ProviderGroupVersion,
    ProviderIdentifier,
)
from service.plan.models.remittances import (
    PaymentMethod,
    Remittance,
    RemittanceClaim,
    RemittanceFile,
    RemittanceLine,
)
from service.plan.models.second_looks import ActKind, PendingAct
from service.plan.models.self_tests import SelfTestRun
from service.plan.models.support import Colleague, Guard, ProtectedRecord, SupportLook, SupportPurpose

__all__ = [
    "AccessEntry", "ActKind", "Colleague", "DelegateRequest", "EntrySource", "FormerUnit", "GroupStatus", "Guard",
    "IdKind", "MailedPin", "Member", "MessageAttachment", "MessageThread", "NotListedRequest", "OrganizationKind",
    "PaymentMethod", "PendingAct", "PlanStaff", "PortalFunction", "PortalInvitation", "PortalOrganization",
    "PortalRegistration", "Practitioner", "PractitionerAffiliation", "ProfileChange", "ProfileChangeKind",
    "ProfileChangeStatus", "ProtectedRecord", "ProviderAddress", "ProviderContact", "ProviderGroup",
    "ProviderGroupVersion", "ProviderIdentifier", "ProviderStaff", "RegistrationProof", "Remittance",
    "RemittanceClaim", "RemittanceFile", "RemittanceLine", "RequestStatus", "SecureMessage", "SelfTestRun",
    "SharingKind", "SharingSign", "StaffRole", "StaffStatus", "SupportLook", "SupportPurpose", "TermsAcceptance",
    "ThreadReading", "ThreadStatus", "ThreadTopic",
]  # fmt: skip
