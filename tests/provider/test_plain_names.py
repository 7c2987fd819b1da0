"""Names that the plan's mails repeat: what people and organisations are called, and nothing else."""

import pytest

from service.provider.registering import plain_names


@pytest.mark.parametrize(
    "name", ["Pat", "J. R. O'Neil-Smith", "J.R. D\u2019Arcy", "Zoe\u0308", "\u0928\u093f\u0924\u093f\u0928", "Lee, Jr."]
)
def test_what_people_are_called_is_a_name(name: str) -> None:
    assert plain_names.is_of_person(name) and plain_names.is_of_organization(name)


@pytest.mark.parametrize(
    "name", ["Alder & Birch (North) #2, Inc.", "A/B 24-Hour Billing, L.L.C.", "U.S. Billing", "Lane\u2013Moss P.C."]
)
def test_what_organisations_are_called_is_a_name_of_one(name: str) -> None:
    assert plain_names.is_of_organization(name)


@pytest.mark.parametrize(
    "name",
    ["", "  ", ".",
     "Pay http://evil.example/x", "www.evil", "WWW.evil", "Pay at evil.example", "A\nB", "A\r\nBcc: x", "A\tB",
     "A\u2028B", "A\u202eB", "a@b", "<b>A</b>", "A\0", "javascript://A", "evil\u3002example"],
)  # fmt: skip
def test_links_second_lines_and_marks_of_none_are_names_of_nobody(name: str) -> None:
    assert not plain_names.is_of_person(name) and not plain_names.is_of_organization(name)
