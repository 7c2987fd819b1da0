"""The plan's password rule, the list, the names, and the hashing."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts import passwords
from service.accounts.passwords import Part, Rule, judge

GROUPS = {Part.UPPERCASE: "QZ", Part.LOWERCASE: "kv", Part.NUMBER: "73", Part.SPECIAL: "!%"}


def _made_of(groups: tuple[Part, ...], length: int = 12) -> str:
    return "".join(itertools.islice(itertools.cycle("".join(GROUPS[group] for group in groups)), length))


@pytest.mark.parametrize("groups", [groups for n in (1, 2) for groups in itertools.combinations(GROUPS, n)])
def test_fewer_than_three_groups_are_refused(groups: tuple[Part, ...]) -> None:
    assert Part.GROUPS in judge(_made_of(groups)).missing


@pytest.mark.parametrize("groups", [groups for n in (3, 4) for groups in itertools.combinations(GROUPS, n)])
def test_three_groups_are_enough(groups: tuple[Part, ...]) -> None:
    assert judge(_made_of(groups)).good


@pytest.mark.parametrize(("length", "good"), [(7, False), (8, True), (64, True), (65, False)])
def test_length_is_8_to_64_characters(length: int, good: bool) -> None:
    assert judge(_made_of((Part.UPPERCASE, Part.LOWERCASE, Part.NUMBER), length)).good is good


def test_64_characters_of_four_bytes_are_accepted() -> None:
    assert judge("Aa1" + "😀" * 61).good


@pytest.mark.parametrize("other", ["&", " ", "-", "é̄", "٣"])
def test_other_characters_are_allowed_but_count_for_no_group(other: str) -> None:
    assert Part.GROUPS in judge("Quvzkwpx" + other).missing
    assert judge("Quvzkwpx7" + other).good


def test_letters_outside_ascii_count_by_their_case() -> None:
    assert {Part.UPPERCASE, Part.LOWERCASE} <= judge("ÄÖÜäöü").met


@pytest.mark.parametrize("common", ["P@ssw0rd", "Password1!", "Welcome2024", "1qaz@WSX", "Trustno1", "Passw0rd"])
def test_common_passwords_are_refused(common: str) -> None:
    assert Part.NOT_COMMON in judge(common).missing


@pytest.mark.parametrize("name", ["mlopez", "Maria", "López", "Meridian"])
def test_own_names_are_refused_wherever_they_stand(name: str) -> None:
    assert Part.NOT_OWN_NAME in judge(f"73-{name.upper()}-quv!", Rule(("mlopez", "maria", "lópez", "Meridian"))).missing


def test_the_list_and_the_names_can_be_switched_off_but_not_the_plans_rule() -> None:
    rule = Rule(("maria",), refuse_common=False)
    assert judge("Maria-P@ssw0rd", rule).good
    assert judge("mariamaria", rule).missing == [Part.GROUPS]


def test_short_names_do_not_forbid_half_the_language() -> None:
    assert judge("Banana-tree-73", Rule(("Ana", "Li"))).good


@pytest.mark.parametrize("bad", ["Harbor\0lights-42", "Harbor\ud800lights-42"])
def test_nul_and_lone_surrogates_are_refused(bad: str) -> None:
    assert not judge(bad).good
    assert not passwords.verify_hash(passwords.make_hash("Harbor-lights-42"), bad)


def test_both_normal_forms_of_one_password_fit() -> None:
    stored = passwords.make_hash("Cafe\u0301-lights-42")
    assert passwords.verify_hash(stored, "Caf\u00e9-lights-42")


def test_nothing_is_trimmed_or_cut() -> None:
    stored = passwords.make_hash(" Harbor-lights-42 ")
    assert not passwords.verify_hash(stored, "Harbor-lights-42")
    assert passwords.verify_hash(stored, " Harbor-lights-42 ")


def test_the_stored_hash_has_the_settled_parameters() -> None:
    assert passwords.make_hash("Harbor-lights-42").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_what_is_compared_for_unknown_people_costs_the_same() -> None:
    assert not passwords.is_outdated(passwords._NOBODYS)
    assert not passwords.verify_hash(None, "Harbor-lights-42")


def test_a_weaker_hash_is_seen_as_outdated() -> None:
    assert passwords.is_outdated("$argon2id$v=19$m=12288,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43)
    assert not passwords.is_outdated(passwords.make_hash("Harbor-lights-42"))


@given(st.text(max_size=80))
def test_no_text_breaks_the_judge(text: str) -> None:
    verdict = judge(text, Rule(("maria",)))
    assert verdict.good == (not verdict.missing)


def test_hashes_run_one_at_a_time_and_few_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock, told = 0, 0, threading.Lock(), []

    class Watched:
        def verify(self, _stored: str, _text: str) -> bool:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.05)
            with lock:
                running -= 1
            return True

    stored = passwords.make_hash("Harbor-lights-42")
    monkeypatch.setattr(passwords, "_hasher", Watched())

    def verify() -> None:
        try:
            told.append(passwords.verify_hash(stored, "x"))
        except passwords.HashingBusy:
            told.append(None)

    threads = [threading.Thread(target=verify) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and told.count(True) >= 7 and len(told) == 40 and None in told


@pytest.fixture
def peppers() -> Iterator[tuple[bytes, bytes]]:
    yield bytes(range(32)), bytes(range(32, 64))
    passwords.season(())


def test_a_hash_says_nothing_without_its_pepper(peppers: tuple[bytes, bytes]) -> None:
    passwords.season(peppers[:1])
    stored = passwords.make_hash("Harbor-lights-42")
    assert passwords.verify_hash(stored, "Harbor-lights-42") and not passwords.verify_hash(stored, "Harbor-lights-43")
    assert len(stored) <= 255

    for others in ((), peppers[1:]):
        passwords.season(others)
        assert not passwords.verify_hash(stored, "Harbor-lights-42")
        assert not passwords.verify_hash(f"${stored.partition('$')[2]}", "Harbor-lights-42")


def test_a_pepper_follows_another_while_people_sign_in(peppers: tuple[bytes, bytes]) -> None:
    bare = passwords.make_hash("Harbor-lights-42")
    passwords.season(peppers[:1])
    older = passwords.make_hash("Harbor-lights-42")
    assert passwords.is_outdated(bare) and not passwords.is_outdated(older)

    passwords.season((peppers[1], peppers[0]))
    for stored in (bare, older):
        assert passwords.verify_hash(stored, "Harbor-lights-42") and passwords.is_outdated(stored)
    assert not passwords.is_outdated(passwords.make_hash("Harbor-lights-42"))
