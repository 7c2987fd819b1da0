"""Numbers of providers and payments: what is one, and when two texts are the same number."""

import pytest

from service.plan.providers import numbers
from tests.factories import make_npi


@pytest.mark.parametrize("text", ["12-3456789", "123456789", " 12 3456789 ", "\uff11\uff123456789"])
def test_a_tax_id_is_nine_digits_however_it_is_typed(text: str) -> None:
    assert numbers.tax_id(text) == "123456789"


@pytest.mark.parametrize("text", ["", "12345678", "1234567890", "12-345678a", "٣٢٣٤٥٦٧٨٩"])
def test_what_is_no_tax_id_is_refused(text: str) -> None:
    with pytest.raises(numbers.UnusableTaxId):
        numbers.tax_id(text)


def test_an_npi_has_the_check_digit_of_its_first_nine() -> None:
    right = make_npi(123)
    wrong = f"{right[:-1]}{(int(right[-1]) + 1) % 10}"

    assert numbers.npi(right) == right
    assert numbers.npi("2900179195") == "2900179195"
    with pytest.raises(numbers.UnusableNpi):
        numbers.npi(wrong)
    with pytest.raises(numbers.UnusableNpi):
        numbers.npi("3900179195")


def test_a_payment_number_is_looked_up_without_spaces_and_case() -> None:
    assert numbers.payment_number(" np 000 123-4 ") == "NP0001234"


def test_of_a_tax_id_only_the_end_is_shown_to_strangers() -> None:
    assert numbers.last_four("123456789").endswith("6789") and "12345" not in numbers.last_four("123456789")
