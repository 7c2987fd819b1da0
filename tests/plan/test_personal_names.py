"""A contact gives the name of the person they are: a facility's, or pieces of it, is refused."""

import pytest
from sqlalchemy.orm import Session

from service.plan.models import ProviderGroup
from service.plan.registering.personal_names import NotYourName, require_personal
from tests.factories import make_group


@pytest.fixture
def clinic(session: Session) -> ProviderGroup:
    return make_group(session, legal_name="Rivermont Health Associates, PC", dba_name="Rivermont Community Clinic")


@pytest.mark.parametrize(
    ("given", "family"),
    [("Rivermont", "Clinic"), ("CLINIC", "Rivermont"), ("Community", "Clinic"), ("Rivermont-Health", "Associates")],
)
def test_pieces_of_a_facility_s_name_are_nobody_s(
    session: Session, clinic: ProviderGroup, given: str, family: str
) -> None:
    with pytest.raises(NotYourName):
        require_personal(session, given, family, groups=[clinic.id], organizations=[])


def test_pieces_of_an_organization_s_name_are_nobody_s(session: Session) -> None:
    with pytest.raises(NotYourName):
        require_personal(session, "Keystone", "Billing", groups=[], organizations=["Keystone Medical Billing LLC"])


@pytest.mark.parametrize(
    ("given", "family"),
    [("Maria", "Rivermont"), ("Rivermont", "Community"), ("Maria", "Clinic"), ("Billing", "Office")],
)
def test_a_person_may_share_a_word_with_the_facility(
    session: Session, clinic: ProviderGroup, given: str, family: str
) -> None:
    require_personal(session, given, family, groups=[clinic.id], organizations=[])
