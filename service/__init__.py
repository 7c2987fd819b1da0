"""What everything stands on (modules), and what people see (one package per audience)."""

import sys

# Where rich can be imported, structlog loads it (3 MB a worker) to colour tracebacks, which no log of ours shows.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]

import structlog  # noqa: E402, F401

if sys.modules.get("rich") is None:
    sys.modules.pop("rich", None)
