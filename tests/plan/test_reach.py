"""What an entry of a portal login reaches: the groups with all of its numbers."""

from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import policy
from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from service.clock import now
from service.plan.logins import reach
from service.plan.models import IdKind, OrganizationKind, PortalFunction, ProviderIdentifier
from tests.factories import make_entry, make_group, make_organization, make_portal_staff


def test_an_entry_reaches_only_groups_with_all_its_numbers(session: Session) -> None:
    hospital = make_group(session, tax_id="082234502")
    emergency = make_group(session, tax_id="082234502")
    staff = make_portal_staff(session)
    npi = session.scalar(
        select(ProviderIdentifier.value).where(
            ProviderIdentifier.group_id == hospital.id, ProviderIdentifier.kind == IdKind.NPI
        )
    )

    make_entry(session, staff, tax_id="082234502", npi=str(npi))
    assert reach.groups_of_entries(session, staff.id) == [hospital]

    make_entry(session, staff, tax_id="082234502")
    assert {group.id for group in reach.groups_of_entries(session, staff.id)} == {hospital.id, emergency.id}


def test_an_entry_that_ended_reaches_nothing(session: Session) -> None:
    make_group(session, tax_id="082234502")
    staff = make_portal_staff(session)
    make_entry(session, staff, tax_id="082234502").ended_at = now()
    session.flush()

    assert reach.groups_of_entries(session, staff.id) == []


def test_no_number_reaches_nobody(session: Session) -> None:
    make_group(session)

    assert reach.groups_with(session, []) == []


def test_an_access_of_a_provider_names_the_groups_of_its_entries(session: Session) -> None:
    group = make_group(session, tax_id="082234502")
    make_group(session)
    staff = make_portal_staff(session)
    make_entry(session, staff, tax_id="082234502")

    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="payment")

    assert [one.organization_id for one in access.groups] == [group.organization_id]


def test_an_access_without_the_application_reaches_nothing(session: Session) -> None:
    make_group(session, tax_id="082234502")
    staff = make_portal_staff(session, functions=[PortalFunction.REMITTANCES.value])
    make_entry(session, staff, tax_id="082234502")

    assert policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="payment").groups == ()


def test_a_billing_firm_reaches_what_its_clients_allow_and_no_entry_of_its_own(session: Session) -> None:
    client, other = make_group(session), make_group(session, tax_id="082234502")
    firm = make_organization(session, kind=OrganizationKind.BILLING)
    staff = make_portal_staff(session, firm)
    make_entry(session, staff, tax_id="082234502")
    asked = AuthorizationRequest(
        organization_id=firm.id, group_id=client.id, asked_by_account_id=staff.account_id, contact_name="Pat Moss",
        contact_email="pat@clinic.example", contact_key="pat@clinic.example", functions=["remittances"],
        status=AuthorizationStatus.APPROVED, asked_at=now(), expires_at=now() + timedelta(days=30),
    )  # fmt: skip
    session.add(asked)
    session.flush()
    session.add(
        BillingAuthorization(
            request_id=asked.id, organization_id=firm.id, group_id=client.id, functions=["remittances"],
            covers_from=date(2026, 1, 1), given_at=now(),
        )
    )  # fmt: skip
    session.flush()

    remittances = policy.provider_authority(session, staff, PortalFunction.REMITTANCES, reason="payment").groups
    claims = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="payment").groups

    assert [(one.group_id, one.since) for one in remittances] == [(client.id, date(2026, 1, 1))]
    assert claims == ()
    assert other.id not in {one.group_id for one in remittances}
