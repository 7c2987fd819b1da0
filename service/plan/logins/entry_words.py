"""How an entry of a login came about, in words for offices and plan staff alike. English only (docs/decisions/0015)."""

from service.plan.models import EntrySource

SOURCES = {
    EntrySource.PROOF: "Proven with a check, EFT or notice",
    EntrySource.MAILED_PIN: "Proven with a mailed PIN",
    EntrySource.DELEGATE: "Given by the delegate",
    EntrySource.PLAN: "Given by the plan",
}
