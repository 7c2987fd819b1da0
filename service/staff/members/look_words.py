"""Why plan staff look, and why a record is guarded, as the console says it. English only (docs/decisions/0015)."""

from service.plan.models import Guard, SupportPurpose

PURPOSES = {
    SupportPurpose.MEMBER_CALLED: "The member called or wrote",
    SupportPurpose.SIGN_IN: "Trouble signing in",
    SupportPurpose.APPS: "A question about an app",
    SupportPurpose.COMPLAINT: "A complaint",
    SupportPurpose.SAFETY: "A sign of misuse of the account",
}
GUARDS = {
    Guard.OWN: "Their own record (refused)",
    Guard.COLLEAGUE: "A colleague, or a colleague's household",
    Guard.PROTECTED: "A protected record",
}
