"""The requirements, a module a section, in the order of a run: the last one ends the connections of those before."""

from service.conformance.requirement import Requirement
from service.conformance.sections import (
    backend,
    brands,
    bulk,
    discovery,
    following,
    granular,
    introspection,
    negatives,
    openid,
    portal_launch,
    profiles,
    records,
    refresh,
    replays,
    revocation,
    searching,
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
    *searching.REQUIREMENTS,
    *following.REQUIREMENTS,
    *records.REQUIREMENTS,
    *profiles.REQUIREMENTS,
    *portal_launch.REQUIREMENTS,
    *replays.REQUIREMENTS,
    *granular.REQUIREMENTS,
    *negatives.REQUIREMENTS,
    *brands.REQUIREMENTS,
    *bulk.REQUIREMENTS,
    *revocation.REQUIREMENTS,
)

OF_RECORDS = ("searching", "following", "replays", "granular")
"""Sections about how a member's records are found: another member's are another test."""
OF_EVERYBODY = ("bulk",)
"""Sections about all members at once."""
