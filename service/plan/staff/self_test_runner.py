"""One run of the conformance self-test against this installation itself."""

from typing import Any

from service.conformance import runner, sandbox_file
from service.conformance.sections import REQUIREMENTS
from service.conformance.trial import Trial
from service.conformance.wire import Wire
from service.settings import Settings


def run(settings: Settings) -> tuple[dict[str, Any] | None, str]:
    """The report for programs and no problem; or none, and a sentence that says why."""
    try:
        trial = Trial(Wire(), sandbox_file.read(settings.sandbox_file), settings.fhir_base)
        return runner.run(trial, REQUIREMENTS).as_json(), ""
    except sandbox_file.UnusableFile as unusable:
        return None, str(unusable)
    except runner.Unreachable as unreachable:
        return None, str(unreachable)
