"""The router's table: every address of the member API, its methods, and what FHIR calls the interaction.

Routes and CapabilityStatement are made from it, so that neither can say more than the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """One pattern of addresses below the base. `offered` maps each method to the interaction it means."""

    endpoint: str
    rule: str
    offered: Mapping[str, str]

    @property
    def allowed(self) -> str:
        """The Allow header."""
        methods = list(self.offered)
        if "GET" in methods:
            methods.append("HEAD")
        return ", ".join([*methods, "OPTIONS"])


ADDRESSES = (
    Address("capabilities", "/metadata", {"GET": "capabilities"}),
    Address("base", "", {}),
    Address("base_with_slash", "/", {}),
    Address("search_by_post", "/<resource_type>/_search", {"POST": "search-type"}),
    Address("search", "/<resource_type>", {"GET": "search-type"}),
    Address("history", "/<resource_type>/<resource_id>/_history", {"GET": "history-instance"}),
    Address("vread", "/<resource_type>/<resource_id>/_history/<version>", {"GET": "vread"}),
    Address("read", "/<resource_type>/<resource_id>", {"GET": "read"}),
)
PAYMENT_ADDRESSES = (
    Address("search_payments_by_post", "/PaymentReconciliation/_search", {"POST": "search-type"}),
    Address("search_payments", "/PaymentReconciliation", {"GET": "search-type"}),
    Address("read_payment", "/PaymentReconciliation/<resource_id>", {"GET": "read"}),
)
"""What a provider's backend client has besides (`fhir.payments`)."""
PERSON_ADDRESSES = (Address("read_person", "/Person/<resource_id>", {"GET": "read"}),)
"""Who acts for several members, as `fhirUser` names them; nobody else is a Person here."""

_ORDER = ("read", "vread", "history-instance", "search-type")
INTERACTIONS = tuple(code for code in _ORDER if any(code in address.offered.values() for address in ADDRESSES))
"""What is offered for every resource type."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
"""Every method is answered by us, so that a refusal is an OperationOutcome too."""
