"""What every new application would compile anew, kept for the life of a test process: templates, builders of addresses.

A test makes an application of its own, a fifth of a second each; nothing here changes what any of them does.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

_templates: dict[str, bytes] = {}
_builders: dict[tuple[Any, ...], Callable[..., tuple[str, str]]] = {}
_compile_builder = Rule._compile_builder


class KeptTemplates(BytecodeCache):
    """Compiled templates, under the checksum of their source."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill in what was compiled before."""
        if (kept := _templates.get(f"{bucket.key}{bucket.checksum}")) is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled now."""
        _templates[f"{bucket.key}{bucket.checksum}"] = bucket.bytecode_to_string()


def keep_builders() -> None:
    """Let werkzeug compile the builder of each rule once a process, not once an application."""
    Rule._compile_builder = _kept_builder  # type: ignore[method-assign]


def keep_templates(app: Flask) -> Flask:
    """Let the application take templates that another one has compiled."""
    app.jinja_env.bytecode_cache = KeptTemplates()
    return app


def _kept_builder(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    named = (rule.rule, append_unknown, tuple(rule._trace), repr(sorted((rule.defaults or {}).items())))
    if named not in _builders:
        _builders[named] = _compile_builder(rule, append_unknown)
    return _builders[named]
