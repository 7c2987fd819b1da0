"""The requirements, a module a section, in the order of a run: the last one ends the connections of those before.

A section of another part of the suites' list (CARIN, US Core) is a further module with REQUIREMENTS here.
"""

from service.conformance.requirement import Requirement
from service.conformance.sections import (
    backend,
    brands,
    bulk,
    discovery,
    granular,
    introspection,
    negatives,
    openid,
    portal_launch,
    refresh,
    revocation,
    standalone,
    transport,
)

REQUIREMENTS: tuple[Requirement, ...] = (
    *discovery.REQUIREMENTS,
    *transport.REQUIREMENTS,
    *standalone.REQUIREMENTS,
    *openid.REQUIREMENTS,
    *refresh.REQUIREMENTS,
    *introspection.REQUIREMENTS,
    *backend.REQUIREMENTS,
    *portal_launch.REQUIREMENTS,
    *granular.REQUIREMENTS,
    *negatives.REQUIREMENTS,
    *brands.REQUIREMENTS,
    *bulk.REQUIREMENTS,
    *revocation.REQUIREMENTS,
)
