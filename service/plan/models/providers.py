"""Provider groups as the plan's own system knows them: numbers, addresses and people with their history."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Boolean, Date, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id, words


class GroupStatus(StrEnum):
    """Whether the plan still does business with a group."""

    ACTIVE = "active"
    TERMINATED = "terminated"


class IdKind(StrEnum):
    """The kinds of number by which the plan's claim system knows a provider."""

    TAX_ID = "tax_id"
    NPI = "npi"
    VENDOR_NUMBER = "vendor_number"
    OFFICE_ID = "office_id"


class ProviderGroup(Base):
    """A provider the plan pays: one payee under one Tax ID. `number` is the plan's own key and never reused.

    `organization_id` is the id of its FHIR Organization, by which claims name it.
    """

    __tablename__ = "provider_group"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(40), unique=True)
    legal_name: Mapped[str] = mapped_column(String(200))
    dba_name: Mapped[str] = mapped_column(String(200), default="")
    kind: Mapped[str] = mapped_column(String(40), default="")
    taxonomy: Mapped[str] = mapped_column(String(10), default="")
    taxonomy_name: Mapped[str] = mapped_column(String(120), default="")
    status: Mapped[GroupStatus] = mapped_column(words(GroupStatus), default=GroupStatus.ACTIVE)
    contracted: Mapped[bool] = mapped_column(Boolean, default=True)
    effective_on: Mapped[date | None] = mapped_column(Date)
    terminated_on: Mapped[date | None] = mapped_column(Date)
    phone: Mapped[str] = mapped_column(String(40), default="")
    fax: Mapped[str] = mapped_column(String(40), default="")
    organization_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    service_specialist: Mapped[str] = mapped_column(String(200), default="")
    contract_manager: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(String(500), default="")
    loaded_at: Mapped[datetime] = mapped_column(Instant, default=now)

    @property
    def name(self) -> str:
        """The name people know it by."""
        return self.dba_name or self.legal_name

    def in_business(self, day: date) -> bool:
        """Whether the plan does business with the group on `day`; `terminated_on` is the first day it does not."""
        ended = self.terminated_on is not None and self.terminated_on <= day
        return self.status is GroupStatus.ACTIVE and not ended


class ProviderGroupVersion(Base):
    """What a group's row said before a load changed it."""

    __tablename__ = "provider_group_version"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    replaced_at: Mapped[datetime] = mapped_column(Instant)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)


class ProviderIdentifier(Base):
    """A number of a group, normalised as `providers.numbers` does, with the dates it was valid (end not in it)."""

    __tablename__ = "provider_identifier"
    __table_args__ = (
        UniqueConstraint("group_id", "kind", "value"),
        Index("ix_provider_identifier_kind_value", "kind", "value"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"))
    kind: Mapped[IdKind] = mapped_column(words(IdKind))
    value: Mapped[str] = mapped_column(String(40))
    npi_type: Mapped[int | None] = mapped_column(Integer)
    """1 for a person's NPI, 2 for an organisation's; None for numbers that are no NPI."""
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)


class ProviderAddress(Base):
    """An address of a group. Only a `current` one is written to; an outdated one still helps people choose."""

    __tablename__ = "provider_address"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    use: Mapped[str] = mapped_column(String(20))
    """practice, mailing or billing."""
    name: Mapped[str] = mapped_column(String(200), default="")
    line: Mapped[str] = mapped_column(String(200))
    city: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(40))
    zip_code: Mapped[str] = mapped_column(String(10))
    phone: Mapped[str] = mapped_column(String(40), default="")
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    current: Mapped[bool] = mapped_column(Boolean, default=True)
    location_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The id of the FHIR Location, for a place where patients are seen."""

    @property
    def one_line(self) -> str:
        """The address as one line."""
        return f"{self.line}, {self.city}, {self.state} {self.zip_code}"


class ProviderContact(Base):
    """A person at a group's office whom the plan may ask. A fresh change is held for a week (security.md 131)."""

    __tablename__ = "provider_contact"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(320), index=True)
    phone: Mapped[str] = mapped_column(String(40), default="")
    changed_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class Practitioner(Base):
    """A person who treats patients, with their own (type 1) NPI. `practitioner_id` is the FHIR id."""

    __tablename__ = "practitioner"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    npi: Mapped[str] = mapped_column(String(10), unique=True)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    gender: Mapped[str] = mapped_column(String(20), default="")
    taxonomy: Mapped[str] = mapped_column(String(10), default="")
    taxonomy_name: Mapped[str] = mapped_column(String(120), default="")
    practitioner_id: Mapped[str] = mapped_column(String(64), unique=True)
    loaded_at: Mapped[datetime] = mapped_column(Instant, default=now)

    @property
    def full_name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"


class PractitionerAffiliation(Base):
    """That a practitioner works for a group, from when until when (end not in it)."""

    __tablename__ = "practitioner_affiliation"
    __table_args__ = (UniqueConstraint("group_id", "practitioner_id", "starts_on"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"))
    practitioner_id: Mapped[str] = mapped_column(ForeignKey("practitioner.id"), index=True)
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date | None] = mapped_column(Date)


class ProfileChangeKind(StrEnum):
    """What a group asks to have changed in its provider data profile."""

    ADD_PRACTITIONER = "add_practitioner"
    CHANGE_PRACTITIONER = "change_practitioner"
    REMOVE_PRACTITIONER = "remove_practitioner"
    ADD_LOCATION = "add_location"
    CHANGE_LOCATION = "change_location"
    REMOVE_LOCATION = "remove_location"
    OUT_OF_NETWORK = "out_of_network"


class ProfileChangeStatus(StrEnum):
    """Where a change request stands."""

    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class ProfileChange(Base):
    """One asked-for change of a practitioner or location. `content` holds the fields by name, as typed and checked."""

    __tablename__ = "profile_change"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    kind: Mapped[ProfileChangeKind] = mapped_column(words(ProfileChangeKind))
    subject_id: Mapped[str | None] = mapped_column(String(36))
    """The practitioner or address it is about; None for an addition."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[ProfileChangeStatus] = mapped_column(
        words(ProfileChangeStatus), default=ProfileChangeStatus.SUBMITTED, index=True
    )
    asked_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    asked_at: Mapped[datetime] = mapped_column(Instant, default=now)
    decided_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    reason: Mapped[str] = mapped_column(Text, default="")
