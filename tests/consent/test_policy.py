"""The gate: an Access is made by one module only, from facts as they stand now."""

import pytest

from consent.models import LinkScope, PersonalRepresentative, RepresentativeLink, SensitiveClass
from consent.policy import (
    EVERY_LABEL,
    Access,
    AccessBasis,
    AccessForged,
    GrantFacts,
    access_for_grant,
    own_record,
    plan_system,
)
from consent.representatives import MemberChoice
from consent.scopes import parse
from service.accounts.models import Account
from service.plan.models import Member


def facts(**given: object) -> GrantFacts:
    values: dict[str, object] = {
        "grant_id": "g", "account_id": "a", "client_id": "c", "member_id": "m", "patient_id": "p",
        "token_scopes": "patient/*.rs", "grant_scopes": "patient/*.rs", "client_scopes": "patient/*.rs",
        "sensitive_classes": frozenset(),
    }  # fmt: skip
    return GrantFacts(**values | given)  # type: ignore[arg-type]


def test_nobody_else_makes_an_access() -> None:
    with pytest.raises(AccessForged):
        Access(
            basis=AccessBasis.GRANT, scopes=parse("patient/*.rs"), patient_ids=frozenset({"p"}), made_by=object()
        )  # fmt: skip


def test_an_app_reaches_one_member_and_no_sensitive_class_unless_ticked() -> None:
    plain = access_for_grant(facts())
    ticked = access_for_grant(facts(sensitive_classes=frozenset({SensitiveClass.HIV})))
    assert plain.patient_ids == {"p"}
    assert plain.excluded_labels == EVERY_LABEL
    assert ticked.excluded_labels == EVERY_LABEL - {"hiv"}


def test_the_narrowest_of_token_grant_and_app_decides() -> None:
    access = access_for_grant(facts(grant_scopes="patient/Coverage.rs patient/Patient.r", client_scopes="patient/*.r"))
    assert access.permits("Coverage", "r")
    assert not access.permits("Coverage", "s")
    assert not access.permits("Observation", "r")


def test_a_representative_without_sensitive_data_passes_none_on_to_an_app() -> None:
    access = access_for_grant(facts(link_scope="without_sensitive", sensitive_classes=frozenset({"hiv"})))
    assert access.excluded_labels == EVERY_LABEL


@pytest.mark.parametrize("scope", list(LinkScope))
def test_very_personal_topics_are_kept_from_those_representatives_alone_whose_right_leaves_them_out(
    scope: LinkScope,
) -> None:
    link = RepresentativeLink(id="l", scope=scope, representative=PersonalRepresentative(person_id=None))
    choice = MemberChoice(Member(id="m", patient_id="p"), link)

    assert own_record(Account(id="a"), choice).excluded_labels == (frozenset() if scope.sensitive else EVERY_LABEL)
    ticked = access_for_grant(facts(link_scope=scope.value, sensitive_classes=frozenset({"hiv"})))
    assert ticked.excluded_labels == (EVERY_LABEL - {"hiv"} if scope.sensitive else EVERY_LABEL)


def test_the_plan_reaches_every_member_and_says_why() -> None:
    access = plan_system("nightly load")
    assert access.patient_ids is None
    assert access.reason == "nightly load"
