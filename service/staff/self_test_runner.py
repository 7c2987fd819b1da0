"""The worker's part of the conformance self-test: one run against this installation itself."""

from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from service.plan.staff import self_tests
from service.settings import Settings


def carry_out(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The job: the run that waits, if one does."""
    self_tests.carry_out(sessions, settings, _run)


def _run(settings: Settings) -> tuple[dict[str, Any] | None, str]:
    # Imported now: web workers, which know the jobs too, never pay for an HTTP client.
    from fhir.loading import profiles  # noqa: PLC0415
    from service.conformance import runner, sandbox_file  # noqa: PLC0415
    from service.conformance.sections import REQUIREMENTS  # noqa: PLC0415
    from service.conformance.trial import Trial  # noqa: PLC0415
    from service.conformance.wire import Wire  # noqa: PLC0415

    try:
        trial = Trial(Wire(), sandbox_file.read(settings.sandbox_file), settings.fhir_base, profiles)
        return runner.run(trial, REQUIREMENTS).as_json(), ""
    except sandbox_file.UnusableFile as unusable:
        return None, str(unusable)
    except runner.Unreachable as unreachable:
        return None, str(unreachable)
