"""The directory's own table of addresses, as `fhir.interactions` has the member API's."""

from consent.policy import DIRECTORY_TYPES
from fhir.compartment import SHARED_TYPES
from fhir.interactions import Address

SERVED = tuple(one for one in DIRECTORY_TYPES if one in SHARED_TYPES)
"""The types of the directory: named one by one, and only while they are about no member."""
ADDRESSES = (
    Address("capabilities", "/metadata", {"GET": "capabilities"}),
    Address("search_by_post", "/<resource_type>/_search", {"POST": "search-type"}),
    Address("search", "/<resource_type>", {"GET": "search-type"}),
    Address("read", "/<resource_type>/<resource_id>", {"GET": "read"}),
)
