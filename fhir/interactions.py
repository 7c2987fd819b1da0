"""The router's table: every address of the member API, its methods, and what FHIR calls the interaction.

Routes, CapabilityStatement and OpenAPI are made from it, so that none can say more than the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.settings import Settings

_R4 = "http://hl7.org/fhir/OperationDefinition/"
_US_CORE = "http://hl7.org/fhir/us/core/OperationDefinition/"
_BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
_ATR = "http://hl7.org/fhir/us/davinci-atr/OperationDefinition/"
_HREX = "http://hl7.org/fhir/us/davinci-hrex/OperationDefinition/"


@dataclass(frozen=True, slots=True)
class Address:
    """One pattern of addresses below the base. `offered` maps each method to the interaction it means.

    `definition` is the OperationDefinition of an operation. `heads` says whether HEAD is answered like GET: not where
    a GET begins something. `setting` names the setting without which there is nothing at the address.
    """

    endpoint: str
    rule: str
    offered: Mapping[str, str]
    definition: str = ""
    heads: bool = True
    setting: str = ""

    @property
    def allowed(self) -> str:
        """The Allow header."""
        methods = list(self.offered)
        if "GET" in methods and self.heads:
            methods.append("HEAD")
        return ", ".join([*methods, "OPTIONS"])

    @property
    def resource_type(self) -> str:
        """The type that the pattern itself names; empty where it names none."""
        first = self.rule.split("/")[1] if self.rule else ""
        return first if first[:1].isupper() else ""

    @property
    def operation(self) -> str:
        """The name of the operation without its dollar; empty for every other interaction."""
        return self.rule.rpartition("$")[2] if self.definition else ""

    def is_there(self, switched_on: frozenset[str]) -> bool:
        """Whether an installation with these settings has the address."""
        return not self.setting or self.setting in switched_on

    def takes(self, method: str) -> bool:
        """Whether the method is offered."""
        return (method == "HEAD" and self.heads and "GET" in self.offered) or method in self.offered


ADDRESSES = (
    Address("capabilities", "/metadata", {"GET": "capabilities"}),
    Address("base", "", {"POST": "batch"}),
    Address("base_with_slash", "/", {"POST": "batch"}),
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
OPERATION_ADDRESSES = (
    Address(
        "everything", "/Patient/<resource_id>/$everything", {"GET": "operation", "POST": "operation"},
        _R4 + "Patient-everything",
    ),
    Address(
        "docref", "/DocumentReference/$docref", {"GET": "operation", "POST": "operation"}, _US_CORE + "docref",
    ),
    Address(
        "member_match", "/Patient/$member-match", {"POST": "operation"}, _HREX + "member-match",
        setting="payer_to_payer",
    ),
)  # fmt: skip
"""Operations that are answered at once (`fhir.operations`)."""
GROUP_ADDRESSES = (
    Address("search_groups_by_post", "/Group/_search", {"POST": "search-type"}),
    Address("search_groups", "/Group", {"GET": "search-type"}),
    Address("read_group", "/Group/<resource_id>", {"GET": "read"}),
)
"""Lists of members for the plan's own programs (`fhir.bulk.groups`)."""
_EXPORTS = {"GET": "operation", "POST": "operation"}
BULK_ADDRESSES = (
    Address("export_system", "/$export", _EXPORTS, _BULK + "export", heads=False),
    Address("export_patients", "/Patient/$export", _EXPORTS, _BULK + "patient-export", heads=False),
    Address("export_group", "/Group/<resource_id>/$export", _EXPORTS, _BULK + "group-export", heads=False),
    Address(
        "data_export",
        "/Group/<resource_id>/$davinci-data-export",
        {"POST": "operation"},
        _ATR + "davinci-data-export",
        heads=False,
        setting="provider_access",
    ),
    Address("export_status", "/bulk/<export_id>", {"GET": "export-status", "DELETE": "export-cancel"}),
    Address("export_file", "/bulk/<export_id>/<file_name>", {"GET": "export-file"}),
)
"""Bulk export for the plan's own programs (`fhir.bulk`)."""
EVERY_ADDRESS = (
    *ADDRESSES, *PAYMENT_ADDRESSES, *PERSON_ADDRESSES, *OPERATION_ADDRESSES, *GROUP_ADDRESSES, *BULK_ADDRESSES,
)  # fmt: skip

PLAN_ADDRESSES = (
    Address("capabilities", "/metadata", {"GET": "capabilities"}),
    Address("base", "", {"POST": "batch"}),
    Address("base_with_slash", "/", {"POST": "batch"}),
    Address("type", "/<resource_type>", {"POST": "create"}),
    Address("vread", "/<resource_type>/<resource_id>/_history/<version>", {"GET": "vread"}),
    Address("instance", "/<resource_type>/<resource_id>", {"GET": "read", "PUT": "update", "DELETE": "delete"}),
)
"""The plan's own base (`fhir.plan`)."""

_ORDER = ("read", "vread", "history-instance", "search-type")
INTERACTIONS = tuple(code for code in _ORDER if any(code in address.offered.values() for address in ADDRESSES))
"""What is offered for every resource type."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
"""Every method is answered by us, so that a refusal is an OperationOutcome too."""


def switched_on(settings: Settings) -> frozenset[str]:
    """Which of the settings that addresses ask for are on."""
    return frozenset(
        address.setting for address in EVERY_ADDRESS if address.setting and getattr(settings, address.setting)
    )


def is_heavy(below: str) -> bool:
    """Whether what is asked for below the base may read many resources: searches, operations, batches, files."""
    if "$" in below or below in {"", "/"}:
        return True
    if not below.startswith("/"):
        # Beside the base, not below it.
        return False
    parts = below.split("/")
    # "/Type", "/Type/_search", "/bulk/export/file"; never "/Type/id", and not what is the same for everybody.
    return (len(parts) == 2 and parts[1] != "metadata") or parts[-1] == "_search" or parts[1] == "bulk"


def operations_of(resource_type: str, on: frozenset[str]) -> list[Address]:
    """The operations that an installation with these settings offers on a type (empty: on the whole system)."""
    return [
        address
        for address in EVERY_ADDRESS
        if address.definition and address.resource_type == resource_type and address.is_there(on)
    ]
