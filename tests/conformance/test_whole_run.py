"""The whole self-test against a running server with two workers, on both databases: nothing fails."""

from fhir.loading import profiles
from service.conformance import runner, sandbox_file
from service.conformance.guides import stated
from service.conformance.report import Report, Verdict
from service.conformance.sections import REQUIREMENTS
from service.conformance.trial import Trial
from service.conformance.wire import Wire
from tests.conftest import LiveServer


def test_the_server_meets_every_requirement_it_offers(sandbox_server: LiveServer) -> None:
    report = run(sandbox_server)
    again = run(sandbox_server, "standalone", "revocation")

    assert failures(report) == failures(again) == []
    assert report.sums[Verdict.PASS] >= 920
    verdicts = {one.key: one.verdict for one in report.outcomes}
    supports = {key: verdicts[key] for key in must_supports()}
    assert len(supports) > 55 and set(supports.values()) == {Verdict.PASS}, "her record holds every must-support"
    introspection = {one.key: one.verdict for one in report.outcomes if one.key.startswith("introspection.")}
    assert set(introspection.values()) == {Verdict.PASS}, "the sandbox has what each of them needs"
    assert [one.key for one in report.outcomes] == [requirement.key for requirement in REQUIREMENTS]


def must_supports() -> list[str]:
    """The lines of every profile of the two guides but for one that belongs to another guide."""
    return [
        f"profiles.{one.resource_type}.{one.name.rpartition('/')[2]}.must_support"
        for one in stated.everything()
        if one.kind == "profile" and {"US Core 6.1.0", "CARIN BB 2.0.0"} & one.guides.keys() and "sdc" not in one.name
    ]


def failures(report: Report) -> list[str]:
    return [outcome.line() for outcome in report.outcomes if outcome.verdict is Verdict.FAIL]


def run(server: LiveServer, *sections: str) -> Report:
    trial = Trial(Wire(), sandbox_file.read(server.settings.sandbox_file), definitions=profiles)
    return runner.run(trial, REQUIREMENTS, sections=sections)


def test_every_requirement_has_a_name_of_its_own_and_an_id_of_the_lists() -> None:
    keys = [requirement.key for requirement in REQUIREMENTS]

    assert len(keys) == len(set(keys))
    assert [requirement.key for requirement in REQUIREMENTS if not requirement.source or not requirement.title] == []
