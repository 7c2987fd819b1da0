"""Remittances: what the plan told a provider it pays and why (X12 835, 005010X221A1). Money is in cents."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Date, ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id, words


class PaymentMethod(StrEnum):
    """How a remittance was paid (BPR04): on paper, electronically, or not at all (a non-payment notice)."""

    CHECK = "check"
    EFT = "eft"
    NON_PAYMENT = "non_payment"


class RemittanceFile(Base):
    """A loaded 835 file; the same bytes are never taken twice."""

    __tablename__ = "remittance_file"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    control_number: Mapped[str] = mapped_column(String(9))
    sender: Mapped[str] = mapped_column(String(40))
    loaded_at: Mapped[datetime] = mapped_column(Instant, default=now)


class Remittance(Base):
    """One transaction set (ST to SE): one check, EFT or non-payment notice to one payee.

    `number` is the trace number (TRN02) as people read it on the check, `number_key` as it is looked up
    (`service.plan.providers.numbers.payment_number`). `group_id` is None while the payee is unknown: staff assign it.
    `assigned_at` is when they did, and None where the numbers said whose it is.
    `document` is the transaction set as a whole interchange, to hand out again.
    """

    __tablename__ = "remittance"
    __table_args__ = (
        Index("ix_remittance_number_key", "number_key"),
        Index("ix_remittance_group_id_paid_on", "group_id", "paid_on"),
        Index(
            "ix_remittance_assigned_at", "assigned_at",
            sqlite_where=text("assigned_at IS NOT NULL"), postgresql_where=text("assigned_at IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    file_id: Mapped[str] = mapped_column(ForeignKey("remittance_file.id"), index=True)
    group_id: Mapped[str | None] = mapped_column(ForeignKey("provider_group.id"))
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    number: Mapped[str] = mapped_column(String(50))
    number_key: Mapped[str] = mapped_column(String(50))
    method: Mapped[PaymentMethod] = mapped_column(words(PaymentMethod))
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    paid_on: Mapped[date] = mapped_column(Date)
    payer_name: Mapped[str] = mapped_column(String(80), default="")
    payer_id: Mapped[str] = mapped_column(String(80), default="")
    payee_name: Mapped[str] = mapped_column(String(80), default="")
    payee_tax_id: Mapped[str | None] = mapped_column(String(9), index=True)
    payee_npi: Mapped[str | None] = mapped_column(String(10))
    payee_vendor_number: Mapped[str | None] = mapped_column(String(40))
    provider_adjustments: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """PLB: `reason`, `identifier`, `cents` (taken from the payment where positive)."""
    warnings: Mapped[list[str]] = mapped_column(JSON, default=list)
    assigned_at: Mapped[datetime | None] = mapped_column(Instant)
    assigned_by_account_id: Mapped[str | None] = mapped_column(String(36))
    document: Mapped[bytes] = mapped_column(LargeBinary)
    loaded_at: Mapped[datetime] = mapped_column(Instant, default=now)


class RemittanceClaim(Base):
    """One claim of a remittance (CLP loop). `adjustments`: `group`, `reason`, `cents`, `quantity` (CAS)."""

    __tablename__ = "remittance_claim"
    __table_args__ = (Index("ix_remittance_claim_remittance_id_position", "remittance_id", "position"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    remittance_id: Mapped[str] = mapped_column(ForeignKey("remittance.id"))
    position: Mapped[int] = mapped_column(Integer)
    claim_number: Mapped[str] = mapped_column(String(50), index=True)
    """The payer's claim control number (CLP07)."""
    patient_control_number: Mapped[str] = mapped_column(String(50), index=True)
    status: Mapped[str] = mapped_column(String(2))
    """CLP02: 1 primary, 2 secondary, 3 tertiary, 4 denied, 22 reversal …"""
    reversal: Mapped[bool] = mapped_column(Boolean, default=False)
    charge_cents: Mapped[int] = mapped_column(BigInteger)
    paid_cents: Mapped[int] = mapped_column(BigInteger)
    patient_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    member_number: Mapped[str] = mapped_column(String(80), default="", index=True)
    patient_given_name: Mapped[str] = mapped_column(String(60), default="")
    patient_family_name: Mapped[str] = mapped_column(String(60), default="")
    service_from: Mapped[date | None] = mapped_column(Date)
    service_to: Mapped[date | None] = mapped_column(Date)
    rendering_npi: Mapped[str | None] = mapped_column(String(10))
    adjustments: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    remarks: Mapped[list[str]] = mapped_column(JSON, default=list)


class RemittanceLine(Base):
    """One service line of a claim (SVC loop)."""

    __tablename__ = "remittance_line"
    __table_args__ = (Index("ix_remittance_line_claim_id_position", "claim_id", "position"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    claim_id: Mapped[str] = mapped_column(ForeignKey("remittance_claim.id"))
    position: Mapped[int] = mapped_column(Integer)
    procedure: Mapped[str] = mapped_column(String(60), default="")
    """Qualifier, code and modifiers as sent (SVC01), parts joined by `:`; the code sets have owners, no texts here."""
    revenue_code: Mapped[str] = mapped_column(String(10), default="")
    units: Mapped[str] = mapped_column(String(20), default="")
    service_from: Mapped[date | None] = mapped_column(Date)
    service_to: Mapped[date | None] = mapped_column(Date)
    charge_cents: Mapped[int] = mapped_column(BigInteger)
    paid_cents: Mapped[int] = mapped_column(BigInteger)
    allowed_cents: Mapped[int | None] = mapped_column(BigInteger)
    adjustments: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    remarks: Mapped[list[str]] = mapped_column(JSON, default=list)
